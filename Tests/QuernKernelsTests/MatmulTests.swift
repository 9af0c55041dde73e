// The int8 product: exact against its specification, invariant in everything, close to the true product.
import CQuernKernels
import Testing

@Suite struct MatmulTests {
    static let tokenCounts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 23, 64, 128]

    @Test(arguments: instructionSets, [16, 8] as [Int32]) func everyInstructionSetGivesTheSameBits(_ isa: String, bits: Int32) {
        var random = SplitMix64(state: 1)
        for (rows, columns) in [(1, 32), (15, 64), (16, 96), (17, 172), (100, 576), (33, 896)] {
            for group in [32, 64] {
                let w = Weights(rows: rows, columns: columns, group: group, random: &random)
                for m in Array(1...9) + [23] {
                    let x = random.floats(m * columns, -3...3)
                    #expect(matmul(x, m, w, MatmulOptions(isa: isa, bits: bits)).bits == matmul(x, m, w, MatmulOptions(bits: bits)).bits)
                }
            }
        }
    }

    @Test(arguments: instructionSets, [6, 4] as [Int32]) func fewerBitsAreTheSameIntegers(_ isa: String, bits: Int32) {
        for (rows, columns, group) in [(1, 32, 32), (33, 172, 64), (20, 1100, 64), (48, 1100, 32)] {
            var random = SplitMix64(state: 8)
            let packed = Weights(rows: rows, columns: columns, group: group, random: &random, bits: bits)
            let plain = packed.withEightBits
            for m in [1, 2, 9, 65] {
                let x = random.floats(m * columns, -3...3)
                #expect(matmul(x, m, packed, MatmulOptions(isa: isa, threads: 2)).bits == matmul(x, m, plain).bits, "\(rows)x\(columns), \(m)")
            }
        }
    }

    @Test(arguments: instructionSets, [16, 8] as [Int32]) func aTokenDoesNotSeeItsNeighbours(_ isa: String, bits: Int32) {
        var random = SplitMix64(state: 2)
        let w = Weights(rows: 40, columns: 200, group: 64, random: &random)
        let x = random.floats(128 * 200)
        let alone = (0..<128).flatMap { matmul(Array(x[($0 * 200)..<(($0 + 1) * 200)]), 1, w, MatmulOptions(isa: isa, bits: bits)) }
        for m in Self.tokenCounts {
            for threads: Int32 in [1, 2, 3] {
                let together = matmul(Array(x[..<(m * 200)]), m, w, MatmulOptions(isa: isa, threads: threads, bits: bits))
                #expect(together.bits == Array(alone[..<(m * 40)]).bits, "m \(m), threads \(threads)")
            }
        }
    }

    @Test(arguments: instructionSets, [16, 8] as [Int32]) func extremeValuesDoNotOverflow(_ isa: String, bits: Int32) {
        var random = SplitMix64(state: 3)
        for columns in [64, 4864] {
            let w = Weights(rows: 16, columns: columns, group: 64, random: &random, extreme: true)
            // Every activation at +-full scale with the sign of row 0's weights: the largest possible sums.
            let x = (0..<columns).map { w.weight(0, $0) < 0 ? Float(-5) : 5 }
            let y = matmul(x, 1, w, MatmulOptions(isa: isa, bits: bits))
            let exact = (0..<columns).reduce(0.0) { $0 + w.weight(0, $1) * Double(x[$1]) }
            #expect(abs(Double(y[0]) - exact) < 1e-5 * exact)
        }
    }

    @Test(arguments: [(16, 2e-5), (8, 8e-3)] as [(Int32, Double)]) func closeToTheTrueProduct(_ bits: Int32, bound: Double) {
        var random = SplitMix64(state: 4)
        let w = Weights(rows: 64, columns: 896, group: 64, random: &random)
        let x = random.floats(3 * 896, -2...2)
        let y = matmul(x, 3, w, MatmulOptions(bits: bits))
        for t in 0..<3 {
            for row in 0..<64 {
                var exact = 0.0
                var size = 0.0
                for k in 0..<896 {
                    let term = w.weight(row, k) * Double(x[t * 896 + k])
                    exact += term
                    size += abs(term)
                }
                // Relative to the sum of magnitudes, half a step of 2^-15 or 2^-7 at most.
                #expect(abs(Double(y[t * 64 + row]) - exact) < bound * size)
            }
        }
    }

    @Test(arguments: instructionSets) func biasAndResidualAreAddedOnce(_ isa: String) {
        var random = SplitMix64(state: 5)
        let w = Weights(rows: 21, columns: 64, group: 32, random: &random)
        let x = random.floats(5 * 64)
        let bias = random.floats(21)
        let residual = random.floats(5 * 21)
        let plain = matmul(x, 5, w)
        let full = matmul(x, 5, w, MatmulOptions(isa: isa, threads: 2, bias: bias, residual: residual))
        for index in plain.indices { #expect(full[index] == residual[index] + (plain[index] + bias[index % 21])) }
    }

    @Test(arguments: instructionSets, [16, 8] as [Int32]) func notANumberComesThrough(_ isa: String, bits: Int32) {
        var random = SplitMix64(state: 6)
        let w = Weights(rows: 4, columns: 128, group: 64, random: &random)
        for poison in [Float.nan, .infinity, -.infinity] {
            var x = random.floats(2 * 128)
            x[70] = poison
            let y = matmul(x, 2, w, MatmulOptions(isa: isa, bits: bits))
            #expect(y[..<4].allSatisfy { $0.isNaN })
            #expect(y[4...].allSatisfy { $0.isFinite }, "the other token is untouched")
        }
        #expect(matmul([Float](repeating: 0, count: 128), 1, w, MatmulOptions(isa: isa)) == [0, 0, 0, 0])
        #expect(matmul([Float](repeating: Float(bitPattern: 7), count: 128), 1, w, MatmulOptions(isa: isa)).allSatisfy { $0.isFinite })
    }

    @Test(arguments: [8, 6, 4] as [Int32]) func rowsAreDequantisedExactly(_ bits: Int32) {
        var random = SplitMix64(state: 7)
        let w = Weights(rows: 35, columns: 172, group: 64, random: &random, bits: bits)
        for row in [0, 15, 16, 34] {
            var out = [Float](repeating: 0, count: 172)
            w.values.withUnsafeBufferPointer { values in
                w.scales.withUnsafeBufferPointer { scales in
                    var matrix = qk_q8_matrix(
                        values: values.baseAddress, scales: scales.baseAddress, rows: 35, k_padded: Int64(w.padded),
                        group: 64, bits: w.bits)
                    qk_q8_row(ops("scalar"), &matrix, Int64(row), 172, &out)
                }
            }
            for k in 0..<172 { #expect(Double(out[k]) == w.weight(row, k)) }
        }
    }
}
