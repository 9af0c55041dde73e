// The fused gated product against its parts, and the weight quantiser against its definition.
import CQuernKernels
import Testing

@Suite struct GatedTests {
    /// Quantised activations as their bits.
    private struct Quantised: Equatable {
        var values: [Int16]
        var scales: [UInt32]

        init(_ memory: ActivationMemory) {
            values = memory.values
            scales = memory.scales.bits
        }
    }

    private func withJob<Result>(_ w: Weights, _ body: (inout qk_matmul_job) -> Result) -> Result {
        w.values.withUnsafeBufferPointer { values in
            w.scales.withUnsafeBufferPointer { scales in
                var job = qk_matmul_job(
                    weights: qk_q8_matrix(
                        values: values.baseAddress, scales: scales.baseAddress, rows: Int64(w.rows), k_padded: Int64(w.padded),
                        group: Int32(w.group), bits: w.bits),
                    y: nil, ldy: 0, bias: nil, accumulate: 0)
                return body(&job)
            }
        }
    }

    private func quantise(_ x: [Float], _ m: Int, columns: Int, group: Int, isa: String) -> ActivationMemory {
        let padded = (columns + group - 1) / group * group
        let memory = ActivationMemory(m, padded: padded, group: group)
        let pool = Pool(1)
        qk_quantize_rows(
            ops(isa), pool.handle, x, Int64(columns), Int64(m), Int64(columns), Int64(padded), Int32(group), memory.handle)
        return memory
    }

    private func gated(_ x: [Float], _ m: Int, _ gate: Weights, _ up: Weights, isa: String, threads: Int32) -> Quantised {
        let pool = Pool(threads)
        let input = quantise(x, m, columns: gate.columns, group: gate.group, isa: isa)
        let padded = (gate.rows + gate.group - 1) / gate.group * gate.group
        let output = ActivationMemory(m, padded: padded, group: gate.group)
        withJob(gate) { gateJob in
            withJob(up) { upJob in
                qk_q8_gated(ops(isa), pool.handle, input.handle, Int64(m), &gateJob, &upJob, output.handle)
            }
        }
        return Quantised(output)
    }

    @Test(arguments: instructionSets) func equalsItsParts(_ isa: String) {
        var random = SplitMix64(state: 21)
        for (rows, columns, group) in [(64, 96, 32), (172, 64, 64), (200, 200, 64), (33, 64, 32)] {
            let gate = Weights(rows: rows, columns: columns, group: group, random: &random)
            let up = Weights(rows: rows, columns: columns, group: group, random: &random)
            for m in [1, 2, 7, 9, 33, 70] {
                let x = random.floats(m * columns, -2...2)
                let (a, b) = (matmul(x, m, gate), matmul(x, m, up))
                var parts = [Float](repeating: 0, count: m * rows)
                let pool = Pool(1)
                qk_swiglu(ops("scalar"), pool.handle, a, b, &parts, Int64(rows), Int64(m), Int64(rows))
                // The layout is the instruction set's own; the sums that it quantises are the specification's.
                let expected = Quantised(quantise(parts, m, columns: rows, group: group, isa: isa))
                for threads: Int32 in [1, 3] {
                    #expect(gated(x, m, gate, up, isa: isa, threads: threads) == expected, "\(rows)x\(columns) m \(m)")
                }
            }
        }
    }

    private func quantiseWeights(_ w: [Float], isa: String, bits: Int32 = 8) -> (values: [Int8], scale: UInt16, fit: qk_weight_fit) {
        var values = [Int8](repeating: 0, count: w.count)
        var scale: UInt16 = 0
        let fit = qk_quantize_weights(ops(isa), w, Int32(w.count), bits, &values, &scale)
        return (values, scale, fit)
    }

    @Test(arguments: instructionSets) func weightsAreQuantisedAlikeEverywhere(_ isa: String) {
        var random = SplitMix64(state: 22)
        for group in [32, 64] {
            for _ in 0..<200 {
                let w = random.floats(group, -0.3...0.3)
                let (a, b) = (quantiseWeights(w, isa: isa), quantiseWeights(w, isa: "scalar"))
                #expect(a.values == b.values && a.scale == b.scale && a.fit.squared_error.bitPattern == b.fit.squared_error.bitPattern)
                #expect(a.values.allSatisfy { $0 >= -127 })
                // The reported error is that of the integers, and no worse than the plain scale's.
                let step = Double(Float(Float16(bitPattern: a.scale)))
                let error = zip(w, a.values).reduce(0.0) { $0 + ($1.0.double - Double($1.1) * step) * ($1.0.double - Double($1.1) * step) }
                #expect(abs(error - Double(a.fit.squared_error)) <= 1e-5 * error + 1e-12)
                let worst = zip(w, a.values).reduce(0.0) { max($0, abs($1.0.double - Double($1.1) * step)) }
                #expect(abs(worst - Double(a.fit.largest_error)) < 1e-6)
                let plain = Double(Float(Float16((w.map(abs).max() ?? 0) / 127)))
                let plainError = w.reduce(0.0) { $0 + pow2($1.double - ($1.double / plain).rounded() * plain) }
                #expect(error <= plainError * 1.000_01)
            }
        }
    }

    @Test(arguments: instructionSets, [6, 4] as [Int32]) func fewerBits(_ isa: String, _ bits: Int32) {
        var random = SplitMix64(state: 23)
        let lowest: Int8 = bits == 6 ? -32 : -8
        for _ in 0..<200 {
            let w = random.floats(32, -0.3...0.3)
            let (a, b) = (quantiseWeights(w, isa: isa, bits: bits), quantiseWeights(w, isa: "scalar", bits: bits))
            #expect(a.values == b.values && a.scale == b.scale)
            #expect(a.values.allSatisfy { (lowest...(-lowest - 1)).contains($0) })
            // No worse than a plain symmetric scale.
            let plain = Double((w.map(abs).max() ?? 0) / Float(-lowest - 1))
            let plainError = w.reduce(0.0) { $0 + pow2($1.double - ($1.double / plain).rounded() * plain) }
            #expect(Double(a.fit.squared_error) <= plainError * 1.001)
        }
    }

    @Test(arguments: instructionSets) func oddWeights(_ isa: String) {
        #expect(quantiseWeights([Float](repeating: 0, count: 64), isa: isa).values.allSatisfy { $0 == 0 })
        #expect(quantiseWeights([Float](repeating: 1e-12, count: 64), isa: isa).values.allSatisfy { $0 == 0 })
        for bad: Float in [.nan, .infinity, -.infinity] {
            var w = [Float](repeating: 1, count: 64)
            w[17] = bad
            let result = quantiseWeights(w, isa: isa)
            #expect(!(result.fit.squared_error.isFinite && result.fit.squared_weights.isFinite))
        }
    }
}

extension Float {
    fileprivate var double: Double { Double(self) }
}

private func pow2(_ x: Double) -> Double { x * x }
