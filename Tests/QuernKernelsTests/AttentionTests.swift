// Paged attention against the definition, over half and single precision caches.
import CQuernKernels
import Foundation
import Testing

@Suite struct AttentionTests {
    /// A cache of `blocks` blocks for one layer, and the operations on it.
    private final class Cache {
        let kvHeads, headDim: Int
        let isHalf: Bool
        var k: [UInt8]
        var v: [UInt8]

        init(blocks: Int, kvHeads: Int, headDim: Int, isHalf: Bool) {
            self.kvHeads = kvHeads
            self.headDim = headDim
            self.isHalf = isHalf
            k = Array(repeating: 0xFF, count: blocks * kvHeads * 128 * headDim * (isHalf ? 2 : 4))
            v = k
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
            k.withUnsafeMutableBytes { k in
                v.withUnsafeMutableBytes { v in
                    table.withUnsafeBufferPointer { table in
                        let layer = qk_kv_layer(
                            k: k.baseAddress, v: v.baseAddress, block_stride: Int64(kvHeads * 128 * headDim),
                            block_size: 128, kv_heads: Int32(kvHeads), head_dim: Int32(headDim), is_f16: isHalf ? 1 : 0)
                        let tokens = positions.map { qk_token_ref(block_table: table.baseAddress, position: Int32($0)) }
                        let width = Int64(kvHeads * headDim)
                        qk_kv_store(ops(isa), pool.handle, newK, width, newV, width, tokens, Int64(m), layer)
                        qk_attention(
                            ops(isa), pool.handle, q, Int64(heads * headDim), &out, Int64(heads * headDim), tokens,
                            Int64(m), Int32(heads), layer, 1 / Float(headDim).squareRoot(), &scratch)
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

    @Test(arguments: instructionSets, [true, false])
    func agreesWithTheDefinition(_ isa: String, _ isHalf: Bool) {
        for (heads, kvHeads, headDim) in [(4, 2, 16), (14, 2, 64), (3, 3, 128), (9, 3, 64)] {
            let p = problem(300, heads: heads, kvHeads: kvHeads, headDim: headDim)
            let cache = Cache(blocks: 4, kvHeads: kvHeads, headDim: headDim, isHalf: isHalf)
            let out = cache.run(
                isa, threads: 2, q: p.q, newK: p.k, newV: p.v, positions: Array(0..<300), table: table, heads: heads)
            func rounded(_ x: Float) -> Double { isHalf ? Double(Float16(x)) : Double(x) }
            for t in [0, 1, 127, 128, 129, 255, 299] {
                for h in 0..<heads {
                    let kv = h / (heads / kvHeads)
                    let scores = (0...t).map { position in
                        (0..<headDim).reduce(0.0) {
                            $0 + Double(p.q[(t * heads + h) * headDim + $1])
                                * rounded(p.k[(position * kvHeads + kv) * headDim + $1])
                        } / Double(headDim).squareRoot()
                    }
                    let top = scores.max()!
                    let weights = scores.map { exp($0 - top) }
                    let mass = weights.reduce(0, +)
                    for d in stride(from: 0, to: headDim, by: 5) {
                        let exact = (0...t).reduce(0.0) {
                            $0 + weights[$1] * rounded(p.v[($1 * kvHeads + kv) * headDim + d])
                        } / mass
                        #expect(abs(Double(out[(t * heads + h) * headDim + d]) - exact) < 2e-5)
                    }
                }
            }
        }
    }

    @Test(arguments: instructionSets) func chunksAndThreadsDoNotChangeBits(_ isa: String) {
        let p = problem(200, heads: 6, kvHeads: 2, headDim: 32)
        func run(_ chunk: Int, _ threads: Int32, _ isa: String) -> [Float] {
            let cache = Cache(blocks: 4, kvHeads: 2, headDim: 32, isHalf: true)
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
