// The gated delta rule: the same bits on every instruction set, chunk and thread count, and close to the definition in doubles.
import CQuernKernels
import Foundation
import Testing

@Suite struct DeltaNetTests {
    /// One layer with random weights, and what it is given.
    private struct Problem {
        let keyHeads: Int, valueHeads: Int, keyDim: Int, valueDim: Int, convolution: Int, tiled: Bool
        let weights, rates, bias, norm: [Float]
        let qkv, z, b, a: [Float]
        let tokens: Int

        init(keyHeads: Int, valueHeads: Int, keyDim: Int, valueDim: Int, convolution: Int = 4, tiled: Bool, tokens: Int, seed: UInt64) {
            var random = SplitMix64(state: seed)
            (self.keyHeads, self.valueHeads, self.keyDim, self.valueDim) = (keyHeads, valueHeads, keyDim, valueDim)
            (self.convolution, self.tiled, self.tokens) = (convolution, tiled, tokens)
            let width = 2 * keyHeads * keyDim + valueHeads * valueDim
            weights = random.floats(convolution * width)
            rates = random.floats(valueHeads, -2 ... -0.01)
            bias = random.floats(valueHeads)
            norm = random.floats(valueDim, 0.5...1.5)
            qkv = random.floats(tokens * width, -2...2)
            z = random.floats(tokens * valueHeads * valueDim, -3...3)
            b = random.floats(tokens * valueHeads, -2...2)
            a = random.floats(tokens * valueHeads, -2...25)     // large ones take softplus's straight part
        }

        var width: Int { 2 * keyHeads * keyDim + valueHeads * valueDim }
        var valueWidth: Int { valueHeads * valueDim }

        /// Output and final state; each of `chunks` is a call of its own.
        func run(_ isa: String, threads: Int32, chunks: [Int]) -> (out: [Float], state: [Float]) {
            let pool = Pool(threads)
            return weights.withUnsafeBufferPointer { weights in
                rates.withUnsafeBufferPointer { rates in
                    bias.withUnsafeBufferPointer { bias in
                        norm.withUnsafeBufferPointer { norm in
                            var layer = qk_deltanet(
                                key_heads: Int32(keyHeads), value_heads: Int32(valueHeads), key_dim: Int32(keyDim),
                                value_dim: Int32(valueDim), convolution: Int32(convolution), tiled: tiled ? 1 : 0, epsilon: 1e-6,
                                weights: weights.baseAddress, rates: rates.baseAddress, dt_bias: bias.baseAddress,
                                norm: norm.baseAddress)
                            return run(&layer, ops(isa), pool.handle, chunks)
                        }
                    }
                }
            }
        }

        private func run(_ layer: inout qk_deltanet, _ ops: OpaquePointer, _ pool: OpaquePointer, _ chunks: [Int]) -> ([Float], [Float]) {
            var state = [Float](repeating: 0, count: Int(qk_deltanet_state_floats(&layer)))
            var out = [Float](repeating: .nan, count: tokens * valueWidth)
            var start = 0
            for count in chunks {
                var mixed = [Float](repeating: 0, count: count * width)
                var gates = [Float](repeating: 0, count: count * 2 * valueHeads)
                func part(_ x: [Float], _ width: Int) -> [Float] { Array(x[(start * width)..<((start + count) * width)]) }
                let (q, z, b, a) = (part(qkv, width), part(z, valueWidth), part(b, valueHeads), part(a, valueHeads))
                var result = [Float](repeating: 0, count: count * valueWidth)
                state.withUnsafeMutableBufferPointer { state in
                    q.withUnsafeBufferPointer { q in
                        z.withUnsafeBufferPointer { z in
                            b.withUnsafeBufferPointer { b in
                                a.withUnsafeBufferPointer { a in
                                    mixed.withUnsafeMutableBufferPointer { mixed in
                                        gates.withUnsafeMutableBufferPointer { gates in
                                            result.withUnsafeMutableBufferPointer { result in
                                                var run = qk_run(first: 0, count: Int32(count), state: state.baseAddress)
                                                qk_deltanet_forward(
                                                    ops, pool, &layer, &run, 1,
                                                    qk_deltanet_step(
                                                        qkv: q.baseAddress, z: z.baseAddress, b: b.baseAddress, a: a.baseAddress,
                                                        mixed: mixed.baseAddress, gates: gates.baseAddress, out: result.baseAddress))
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                out.replaceSubrange((start * valueWidth)..<((start + count) * valueWidth), with: result)
                start += count
            }
            return (out, state)
        }

        /// The definition in double precision, one token after the other.
        func reference() -> [Double] {
            var states = [[Double]](repeating: [Double](repeating: 0, count: keyDim * valueDim), count: valueHeads)
            var out = [Double](repeating: 0, count: tokens * valueWidth)
            func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }
            for t in 0..<tokens {
                let mixed = (0..<width).map { c -> Double in
                    silu((0..<convolution).reduce(0.0) { sum, j in
                        let row = t - convolution + 1 + j
                        return row < 0 ? sum : sum + Double(weights[j * width + c]) * Double(qkv[row * width + c])
                    })
                }
                for head in 0..<valueHeads {
                    let keyHead = tiled ? head % keyHeads : head / (valueHeads / keyHeads)
                    func unit(_ start: Int, _ scale: Double) -> [Double] {
                        let x = Array(mixed[start..<(start + keyDim)])
                        let norm = (x.reduce(0) { $0 + $1 * $1 } + 1e-6).squareRoot()
                        return x.map { $0 / norm * scale }
                    }
                    let q = unit(keyHead * keyDim, 1 / Double(keyDim).squareRoot())
                    let k = unit((keyHeads + keyHead) * keyDim, 1)
                    let v = Array(mixed[(2 * keyHeads * keyDim + head * valueDim)...].prefix(valueDim))
                    let x = Double(a[t * valueHeads + head]) + Double(bias[head])
                    let decay = exp(Double(rates[head]) * log1p(exp(x)))
                    let beta = 1 / (1 + exp(-Double(b[t * valueHeads + head])))
                    var result = [Double](repeating: 0, count: valueDim)
                    for column in 0..<valueDim {
                        func at(_ i: Int) -> Int { i * valueDim + column }
                        for i in 0..<keyDim { states[head][at(i)] *= decay }
                        let memory = (0..<keyDim).reduce(0) { $0 + states[head][at($1)] * k[$1] }
                        let delta = (v[column] - memory) * beta
                        for i in 0..<keyDim { states[head][at(i)] += k[i] * delta }
                        result[column] = (0..<keyDim).reduce(0) { $0 + states[head][at($1)] * q[$1] }
                    }
                    let rms = (result.reduce(0) { $0 + $1 * $1 } / Double(valueDim) + 1e-6).squareRoot()
                    for column in 0..<valueDim {
                        let at = t * valueWidth + head * valueDim + column
                        out[at] = result[column] / rms * Double(norm[column]) * silu(Double(z[at]))
                    }
                }
            }
            return out
        }
    }

    private static let problems = [
        Problem(keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 32, tiled: false, tokens: 37, seed: 1),
        Problem(keyHeads: 2, valueHeads: 6, keyDim: 8, valueDim: 64, tiled: true, tokens: 20, seed: 2),
        Problem(keyHeads: 1, valueHeads: 1, keyDim: 128, valueDim: 128, tiled: false, tokens: 70, seed: 3),
        Problem(keyHeads: 3, valueHeads: 3, keyDim: 24, valueDim: 32, convolution: 2, tiled: true, tokens: 9, seed: 4),
    ]

    @Test(arguments: 0..<problems.count) func followsTheDefinition(_ index: Int) {
        let problem = Self.problems[index]
        let exact = problem.reference()
        let out = problem.run("scalar", threads: 2, chunks: [problem.tokens]).out
        let worst = zip(out, exact).map { abs(Double($0) - $1) }.max() ?? .infinity
        #expect(worst < 2e-4, "worst difference \(worst)")
    }

    @Test(arguments: instructionSets) func bitsDoNotDependOnCompany(_ isa: String) {
        for problem in Self.problems {
            let reference = problem.run("scalar", threads: 1, chunks: [problem.tokens])
            let ones = Array(repeating: 1, count: problem.tokens)
            for chunks in [[problem.tokens], ones, [7, problem.tokens - 7], [1, problem.tokens - 3, 2]] {
                for threads: Int32 in [1, 3] {
                    let found = problem.run(isa, threads: threads, chunks: chunks)
                    #expect(found.out.bits == reference.out.bits, "chunks \(chunks.count), threads \(threads)")
                    #expect(found.state.bits == reference.state.bits)
                }
            }
        }
    }
}
