// Paged attention against the definition, over half and single precision caches.
import CQuernKernels
import Foundation
import Testing

@Suite struct AttentionTests {
    /// A cache of `blocks` blocks for one layer, and the operations on it.
    private final class Cache {
        let kvHeads, headDim: Int
        let format: qk_kv_format
        var k: [UInt8]
        var v: [UInt8]
        var scales: [Float]
        var bases: [Float]

        init(blocks: Int, kvHeads: Int, headDim: Int, format: qk_kv_format) {
            self.kvHeads = kvHeads
            self.headDim = headDim
            self.format = format
            let width = format == QK_KV_FLOAT ? 4 : format == QK_KV_HALF ? 2 : 1
            k = Array(repeating: 0xFF, count: blocks * kvHeads * 128 * headDim * width)
            v = k
            scales = Array(repeating: .nan, count: 2 * blocks * kvHeads * 128)
            bases = Array(repeating: .nan, count: blocks * kvHeads * headDim)
        }

        func run(
            _ isa: String, threads: Int32, q: [Float], newK: [Float], newV: [Float], positions: [Int], table: [Int32],
            heads: Int
        ) -> [Float] {
            let pool = Pool(threads)
            let m = positions.count
            var out = [Float](repeating: 0, count: m * heads * headDim)
            let floats = Int(qk_attention_scratch_floats(Int32(heads), Int32(kvHeads), Int32(headDim), 128))
            var scratch = [Float](repeating: 0, count: floats * Int(threads))
            let half = scales.count / 2
            let isInt8 = format == QK_KV_INT8
            // The closures below are the only users of the storage while they run.
            let basePointer = UnsafeMutablePointer<Float>.allocate(capacity: bases.count)
            defer { basePointer.deallocate() }
            basePointer.initialize(from: bases, count: bases.count)
            defer { bases = Array(UnsafeBufferPointer(start: basePointer, count: bases.count)) }
            scales.withUnsafeMutableBufferPointer { scales in
                k.withUnsafeMutableBytes { k in
                    v.withUnsafeMutableBytes { v in
                        table.withUnsafeBufferPointer { table in
                            let layer = qk_kv_layer(
                                k: k.baseAddress, v: v.baseAddress,
                                k_scales: isInt8 ? scales.baseAddress! : nil,
                                v_scales: isInt8 ? scales.baseAddress! + half : nil, k_bases: isInt8 ? basePointer : nil,
                                block_stride: Int64(kvHeads * 128 * headDim),
                                block_size: 128, kv_heads: Int32(kvHeads), head_dim: Int32(headDim), format: format, window: 0)
                            let tokens = positions.map { qk_token_ref(block_table: table.baseAddress, position: Int32($0)) }
                            let width = Int64(kvHeads * headDim)
                            qk_kv_store(ops(isa), pool.handle, newK, width, newV, width, tokens, Int64(m), layer)
                            qk_attention(
                                ops(isa), pool.handle, q, Int64(heads * headDim), &out, Int64(heads * headDim), tokens,
                                Int64(m), Int32(heads), layer, 1 / Float(headDim).squareRoot(), &scratch)
                        }
                    }
                }
            }
            return out
        }
    }

    private struct Problem {
        let q, k, v: [Float]
        let count: Int
    }

    private func problem(_ count: Int, heads: Int, kvHeads: Int, headDim: Int) -> Problem {
        var random = SplitMix64(state: UInt64(count * 31 + heads))
        return Problem(
            q: random.floats(count * heads * headDim, -2...2), k: random.floats(count * kvHeads * headDim, -2...2),
            v: random.floats(count * kvHeads * headDim, -2...2), count: count)
    }

    private let table: [Int32] = [3, 0, 2, 1]

    /// The numbers of one head as the cache keeps them.
    private func kept(_ x: ArraySlice<Float>, _ format: qk_kv_format) -> [Double] {
        switch format {
        case QK_KV_HALF: return x.map { Double(Float16($0)) }
        case QK_KV_INT8:
            let top = x.map(abs).max()!
            return x.map { Double(($0 * (127 / top)).rounded(.toNearestOrEven)) * Double(top / 127) }
        default: return x.map(Double.init)
        }
    }

    /// Of the int8 format the difference from the block's first key is rounded, after a Walsh-Hadamard transform, which is its
    /// own inverse.
    private func keptKey(_ p: Problem, _ position: Int, head: Int, kvHeads: Int, headDim: Int, _ format: qk_kv_format) -> [Double] {
        func key(_ position: Int) -> ArraySlice<Float> {
            p.k[((position * kvHeads + head) * headDim)..<((position * kvHeads + head + 1) * headDim)]
        }
        guard format == QK_KV_INT8 else { return kept(key(position), format) }
        let base = key(position / 128 * 128).map(Double.init)
        let rest = zip(key(position), base).map { Double($0) - $1 }
        if position % 128 == 0 { return base }
        return zip(base, transformed(kept(transformed(rest).map { Float($0) }[...], format))).map { $0 + $1 }
    }

    private func transformed(_ x: [Double]) -> [Double] {
        x.indices.map { row in
            x.indices.reduce(0.0) { $0 + (($1 & row).nonzeroBitCount % 2 == 0 ? x[$1] : -x[$1]) } / Double(x.count).squareRoot()
        }
    }

    @Test(arguments: instructionSets, [0, 1, 2] as [UInt32])
    func agreesWithTheDefinition(_ isa: String, _ kind: UInt32) {
        let format = qk_kv_format(rawValue: kind)
        // A rotated key that lies between two integers may round the other way in double precision.
        let bound = format == QK_KV_INT8 ? 3e-4 : 2e-5
        for (heads, kvHeads, headDim) in [(4, 2, 16), (14, 2, 64), (3, 3, 128), (9, 3, 64)] {
            let p = problem(300, heads: heads, kvHeads: kvHeads, headDim: headDim)
            let cache = Cache(blocks: 4, kvHeads: kvHeads, headDim: headDim, format: format)
            let out = cache.run(
                isa, threads: 2, q: p.q, newK: p.k, newV: p.v, positions: Array(0..<300), table: table, heads: heads)
            let keys = (0..<p.count).flatMap { position in
                (0..<kvHeads).flatMap { keptKey(p, position, head: $0, kvHeads: kvHeads, headDim: headDim, format) }
            }
            let values = (0..<(p.count * kvHeads)).flatMap { kept(p.v[($0 * headDim)..<(($0 + 1) * headDim)], format) }
            for t in [0, 1, 127, 128, 129, 255, 299] {
                for h in 0..<heads {
                    let kv = h / (heads / kvHeads)
                    let scores = (0...t).map { position in
                        (0..<headDim).reduce(0.0) {
                            $0 + Double(p.q[(t * heads + h) * headDim + $1])
                                * keys[(position * kvHeads + kv) * headDim + $1]
                        } / Double(headDim).squareRoot()
                    }
                    let top = scores.max()!
                    let weights = scores.map { exp($0 - top) }
                    let mass = weights.reduce(0, +)
                    for d in stride(from: 0, to: headDim, by: 5) {
                        let exact = (0...t).reduce(0.0) {
                            $0 + weights[$1] * values[($1 * kvHeads + kv) * headDim + d]
                        } / mass
                        #expect(abs(Double(out[(t * heads + h) * headDim + d]) - exact) < bound)
                    }
                }
            }
        }
    }

    @Test(arguments: instructionSets, [1, 2] as [UInt32]) func chunksAndThreadsDoNotChangeBits(_ isa: String, _ kind: UInt32) {
        let p = problem(200, heads: 6, kvHeads: 2, headDim: 32)
        func run(_ chunk: Int, _ threads: Int32, _ isa: String) -> [Float] {
            let cache = Cache(blocks: 4, kvHeads: 2, headDim: 32, format: qk_kv_format(rawValue: kind))
            return stride(from: 0, to: 200, by: chunk).flatMap { start in
                let end = min(200, start + chunk)
                return cache.run(
                    isa, threads: threads, q: Array(p.q[(start * 192)..<(end * 192)]),
                    newK: Array(p.k[(start * 64)..<(end * 64)]), newV: Array(p.v[(start * 64)..<(end * 64)]),
                    positions: Array(start..<end), table: table, heads: 6)
            }
        }
        let reference = run(200, 1, "scalar").bits
        for (chunk, threads) in [(200, 2), (1, 1), (1, 3), (7, 2), (128, 1)] {
            #expect(run(chunk, Int32(threads), isa).bits == reference)
        }
    }
}
