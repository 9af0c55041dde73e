// Norms, rotary embedding, activation, argmax: the same bits on every instruction set, and close to the definitions.
import CQuernKernels
import Foundation
import Testing

@Suite struct RowTests {
    private let pool = Pool(2)

    @Test(arguments: instructionSets) func rmsNorm(_ isa: String) {
        var random = SplitMix64(state: 11)
        for n in [1, 7, 8, 9, 64, 896, 1023] {
            for m in [1, 3, 40] {
                let x = random.floats(m * n, -4...4)
                let weight = random.floats(n, 0.5...2)
                func run(_ name: String) -> [Float] {
                    var y = [Float](repeating: 0, count: m * n)
                    qk_rmsnorm(ops(name), pool.handle, x, Int64(n), weight, &y, Int64(n), Int64(m), Int64(n), 1e-6)
                    return y
                }
                let y = run(isa)
                #expect(y.bits == run("scalar").bits)
                let mean = x[..<n].reduce(0.0) { $0 + Double($1) * Double($1) } / Double(n)
                for i in 0..<n {
                    let exact = Double(x[i]) / (mean + 1e-6).squareRoot() * Double(weight[i])
                    #expect(abs(Double(y[i]) - exact) <= 2e-6 * max(1, abs(exact)))
                }
            }
        }
    }

    @Test(arguments: instructionSets) func rope(_ isa: String) {
        var random = SplitMix64(state: 12)
        for headDim in [8, 16, 64, 128] {
            let half = headDim / 2
            let cosine = random.floats(50 * half)
            let sine = random.floats(50 * half)
            let positions: [Int32] = [0, 7, 49]
            let x = random.floats(3 * 2 * headDim)
            func run(_ name: String) -> [Float] {
                var y = x
                qk_rope(ops(name), pool.handle, &y, Int64(2 * headDim), cosine, sine, positions, 3, 2, Int32(headDim), Int32(headDim))
                return y
            }
            #expect(run(isa).bits == run("scalar").bits)
            let y = run(isa)
            for t in 0..<3 {
                for h in 0..<2 {
                    for i in 0..<half {
                        let at = t * 2 * headDim + h * headDim + i
                        let c = cosine[Int(positions[t]) * half + i]
                        let s = sine[Int(positions[t]) * half + i]
                        #expect(abs(y[at] - (x[at] * c - x[at + half] * s)) < 1e-6)
                        #expect(abs(y[at + half] - (x[at + half] * c + x[at] * s)) < 1e-6)
                    }
                }
            }
        }
    }

    @Test(arguments: instructionSets) func swiglu(_ isa: String) {
        var random = SplitMix64(state: 13)
        var gate = random.floats(4099, -20...20)
        gate[..<6] = [0, -100, 100, -1e30, 1e30, -0.0]
        let up = random.floats(4099)
        func run(_ name: String, _ gate: [Float]) -> [Float] {
            var y = [Float](repeating: 0, count: gate.count)
            qk_swiglu(ops(name), pool.handle, gate, up, &y, Int64(gate.count), 1, Int64(gate.count))
            return y
        }
        let y = run(isa, gate)
        #expect(y.bits == run("scalar", gate).bits)
        for i in 6..<gate.count {
            let exact = Double(gate[i]) / (1 + exp(-Double(gate[i]))) * Double(up[i])
            #expect(abs(Double(y[i]) - exact) <= 4e-7 * max(abs(exact), 1e-3), "gate \(gate[i])")
        }
        gate[9] = .nan
        #expect(run(isa, gate)[9].isNaN)
    }

    @Test(arguments: instructionSets) func argmax(_ isa: String) {
        var random = SplitMix64(state: 14)
        for n in [1, 7, 8, 100, 1003] {
            var x = random.floats(n)
            let expected = x.firstIndex(of: x.max()!)!
            #expect(qk_argmax(ops(isa), x, Int64(n)) == Int64(expected))
            x = [Float](repeating: 2, count: n)
            #expect(qk_argmax(ops(isa), x, Int64(n)) == 0, "the first of equals")
            x[n - 1] = .nan
            #expect(qk_argmax(ops(isa), x, Int64(n)) == -1)
            x[n - 1] = .infinity
            #expect(qk_argmax(ops(isa), x, Int64(n)) == -1)
            x = [Float](repeating: -.infinity, count: n)
            #expect(qk_argmax(ops(isa), x, Int64(n)) == -1)
        }
    }

    @Test(arguments: instructionSets) func firstAtLeast(_ isa: String) {
        for n in [0, 1, 15, 64, 65, 300] {
            for place in [0, 1, 16, 63, 64, 127, 200, 299] where place < n {
                var x = [Float](repeating: -1, count: n)
                x[place] = 3
                x[n - 1] = max(x[n - 1], 2)
                func find(_ start: Int, _ floor: Float) -> Int64 { qk_first_at_least(ops(isa), x, Int64(start), Int64(n), floor) }
                #expect(find(0, 3) == Int64(place) && find(place, 2.5) == Int64(place))
                #expect(find(place + 1, 3) == Int64(n), "what comes before the start does not count")
                #expect(find(0, 3.5) == Int64(n))
                x[0] = .nan
                #expect(find(0, 4) == Int64(n), "no comparison with a NaN holds")
            }
            #expect(qk_first_at_least(ops(isa), [], 0, 0, 0) == 0)
        }
    }

    @Test func checksumVectors() {
        #expect(qk_crc32c(0, "123456789", 9) == 0xE306_9283)
        #expect(qk_crc32c(0, [UInt8](repeating: 0, count: 32), 32) == 0x8A91_36AA)
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let whole = qk_crc32c(0, bytes, 1000)
        for cut in [1, 7, 8, 9, 500, 999] {
            let first = qk_crc32c(0, bytes, cut)
            #expect(qk_crc32c(first, Array(bytes[cut...]), 1000 - cut) == whole)
        }
    }

    @Test func unknownInstructionSetsAreRefused() {
        #expect(qk_ops_resolve("mmx") == nil)
        #expect(qk_ops_resolve("") == nil)
        #expect(qk_ops_resolve("scalar") != nil)
        #expect(instructionSets.first == "scalar")
    }
}
