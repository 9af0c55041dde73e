// Routing, gating and the experts' products: the same bits on every instruction set, and what their definitions say.
import CQuernKernels
import Foundation
import Testing

@Suite struct ExpertTests {
    private let pool = Pool(2)

    private struct Routed: Equatable {
        var expert, pair, token, first: [Int32]
        var weight: [Float]
    }

    private func route(_ isa: String, _ logits: [Float], tokens: Int, experts: Int, perToken: Int, normalizes: Bool) -> Routed {
        var routed = Routed(
            expert: Array(repeating: -1, count: tokens * perToken), pair: Array(repeating: -1, count: tokens * perToken),
            token: Array(repeating: -1, count: tokens * perToken), first: Array(repeating: -1, count: experts + 1),
            weight: Array(repeating: .nan, count: tokens * perToken))
        routed.expert.withUnsafeMutableBufferPointer { expert in
            routed.pair.withUnsafeMutableBufferPointer { pair in
                routed.token.withUnsafeMutableBufferPointer { token in
                    routed.first.withUnsafeMutableBufferPointer { first in
                        routed.weight.withUnsafeMutableBufferPointer { weight in
                            qk_route(
                                ops(isa), logits, Int64(tokens), normalizes ? 1 : 0,
                                qk_routing(
                                    experts: Int32(experts), per_token: Int32(perToken), expert: expert.baseAddress,
                                    weight: weight.baseAddress, pair: pair.baseAddress, token: token.baseAddress,
                                    first: first.baseAddress))
                        }
                    }
                }
            }
        }
        return routed
    }

    @Test(arguments: instructionSets) func routesToTheLikeliest(_ isa: String) {
        var random = SplitMix64(state: 31)
        for (experts, perToken) in [(8, 3), (1, 1), (61, 4), (128, 8)] {
            let tokens = 13
            let logits = random.floats(tokens * experts, -4...4)
            for normalizes in [true, false] {
                let found = route(isa, logits, tokens: tokens, experts: experts, perToken: perToken, normalizes: normalizes)
                #expect(found == route("scalar", logits, tokens: tokens, experts: experts, perToken: perToken, normalizes: normalizes))
                for t in 0..<tokens {
                    let row = logits[(t * experts)..<((t + 1) * experts)].map { exp(Double($0)) }
                    let order = row.indices.sorted { row[$0] > row[$1] }.prefix(perToken)
                    let total = normalizes ? order.reduce(0) { $0 + row[$1] } : row.reduce(0, +)
                    #expect(found.expert[(t * perToken)..<((t + 1) * perToken)].map(Int.init) == Array(order))
                    for (j, expert) in order.enumerated() {
                        #expect(abs(Double(found.weight[t * perToken + j]) - row[expert] / total) < 1e-6)
                        let pair = Int(found.pair[t * perToken + j])
                        #expect(Int(found.token[pair]) == t)
                        #expect((found.first[expert]..<found.first[expert + 1]).contains(Int32(pair)))
                    }
                }
                #expect(found.first.last == Int32(tokens * perToken))
            }
        }
    }

    @Test(arguments: instructionSets) func routesNumbersThatAreNone(_ isa: String) {
        let logits: [Float] = [.nan, .nan, .nan, .infinity, 1, .nan, -.infinity, -.infinity, -.infinity]
        let found = route(isa, logits, tokens: 3, experts: 3, perToken: 2, normalizes: true)
        for t in 0..<3 { #expect(Set(found.expert[(2 * t)..<(2 * t + 2)]).isSubset(of: [0, 1, 2])) }
        #expect(found.first == [0] + found.first.dropFirst() && found.first.last == 6)
    }

    @Test(arguments: instructionSets) func floatProductsAndGates(_ isa: String) {
        var random = SplitMix64(state: 32)
        for (rows, n) in [(1, 64), (7, 40), (128, 2048), (5, 13)] {
            let x = random.floats(3 * n)
            let w = random.floats(rows * n)
            func product(_ name: String, _ x: [Float], _ m: Int) -> [Float] {
                var y = [Float](repeating: .nan, count: m * rows)
                qk_float_matmul(ops(name), pool.handle, x, Int64(n), Int64(m), w, Int64(rows), Int64(n), &y, Int64(rows))
                return y
            }
            let y = product(isa, x, 3)
            #expect(y.bits == product("scalar", x, 3).bits)
            #expect(product(isa, Array(x[..<n]), 1).bits == Array(y[..<rows]).bits, "one token or three")
            let exact = (0..<n).reduce(0.0) { $0 + Double(x[$1]) * Double(w[$1]) }
            #expect(abs(Double(y[0]) - exact) < 1e-4)
        }
        let x = random.floats(9001), gate = random.floats(9001, -30...30)
        func gated(_ name: String) -> [Float] {
            var y = x
            qk_gate(ops(name), pool.handle, &y, gate, Int64(y.count))
            return y
        }
        #expect(gated(isa).bits == gated("scalar").bits)
        for (i, y) in gated(isa).enumerated() {
            #expect(abs(Double(y) - Double(x[i]) / (1 + exp(-Double(gate[i])))) < 1e-6)
        }
    }
}
