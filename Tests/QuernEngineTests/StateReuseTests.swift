// Prefixes of models with recurrent states: resumed only where a state was kept, and then exactly.
import QuernEngine
import QuernTensor
import Testing

@Suite struct StateReuseTests {
    static let hybrids = ["tiny-qwen3_next", "tiny-qwen3_5", "tiny-qwen3_5_moe"]

    private func answer(
        _ engine: Engine, _ prompt: [TokenID], max: Int = 8, salt: [UInt8] = []
    ) async throws -> (tokens: [TokenID], cached: Int) {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        var request = GenerationRequest(prompt: prompt, maxTokens: max, stopTokens: [], sampling: sampling)
        request.domain = CacheDomain(salt: salt)
        var tokens: [TokenID] = []
        var cached = 0
        for await event in try engine.submit(request).events {
            switch event {
            case .token(let token): tokens.append(token)
            case .finished(_, let usage, _): cached = usage.cachedTokens
            case .failed(let error): throw error
            case .started, .progress, .promptLogprobs, .logprobs, .computed, .embedding: break
            }
        }
        return (tokens, cached)
    }

    private func prompt(_ count: Int, seed: Int = 1) -> [TokenID] { (0..<count).map { TokenID(($0 * 31 + seed * 7) % 250) } }

    /// Wherever a prompt leaves a known one, the answer is that of an engine which knows nothing.
    @Test(arguments: hybrids) func aHitEqualsAMiss(_ name: String) async throws {
        let engine = try Fixtures.engine(name, precision: .int8)
        let whole = prompt(400)
        _ = try await answer(engine, whole)
        for cut in [1, 100, 127, 128, 129, 255, 256, 257, 300, 384, 399, 400] {
            var turn = Array(whole[..<cut])
            turn.append(TokenID((Int(whole[min(cut, 399)]) + 1) % 250))
            let fresh = try await answer(engine, turn, salt: [UInt8(cut / 256), UInt8(cut % 256)])
            let reused = try await answer(engine, turn)
            #expect(reused.tokens == fresh.tokens, "cut at \(cut)")
            #expect(fresh.cached == 0)
            #expect(reused.cached <= cut && (cut < 256 || reused.cached >= 256), "\(reused.cached) at \(cut)")
        }
    }

    /// The end of an answer is kept, so that a chat goes on where it stopped.
    @Test(arguments: hybrids) func theNextTurnComputesOnlyItsNewTokens(_ name: String) async throws {
        let engine = try Fixtures.engine(name, precision: .int8)
        let first = try await answer(engine, prompt(200))
        let turn = prompt(200) + first.tokens + prompt(20, seed: 9)
        let second = try await answer(engine, turn)
        #expect(second.cached == 200 + first.tokens.count - 1)
        let other = try await answer(engine, turn, salt: [1])
        #expect(other.cached == 0)
        #expect(other.tokens == second.tokens)
    }

    /// Four chats at once on one another's beginnings, more than there are places for states.
    @Test func manyPrefixesShareFewPlaces() async throws {
        let engine = try Fixtures.engine("tiny-qwen3_5_text", precision: .int8)
        let common = prompt(140)
        var expected: [[TokenID]] = []
        let turns = (0..<90).map { common + prompt(20 + $0, seed: 100 + $0) }
        for (seed, turn) in turns.enumerated() { expected.append(try await answer(engine, turn, salt: [UInt8(seed), 1]).tokens) }
        let found = try await withThrowingTaskGroup(of: (Int, [TokenID]).self) { group in
            for (seed, turn) in turns.enumerated() { group.addTask { (seed, try await answer(engine, turn).tokens) } }
            return try await group.reduce(into: [Int: [TokenID]]()) { $0[$1.0] = $1.1 }
        }
        for seed in turns.indices { #expect(found[seed] == expected[seed], "turn \(seed)") }
    }
}
