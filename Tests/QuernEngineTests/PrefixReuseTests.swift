// What was computed is used again, exactly, and only by whom it belongs to.
import QuernEngine
import QuernTensor
import Testing

@Suite struct PrefixReuseTests {
    private func request(
        _ prompt: [TokenID], max: Int = 8, priority: Priority = .normal, domain: CacheDomain = CacheDomain(), seed: UInt64? = nil
    ) -> GenerationRequest {
        var sampling = SamplingParameters()
        if let seed { sampling.seed = seed } else { sampling.temperature = 0 }
        var request = GenerationRequest(prompt: prompt, maxTokens: max, stopTokens: [], sampling: sampling)
        request.priority = priority
        request.domain = domain
        return request
    }

    private func answer(_ engine: Engine, _ request: GenerationRequest) async throws -> (tokens: [TokenID], usage: Usage) {
        var tokens: [TokenID] = []
        var usage = Usage()
        for await event in try engine.submit(request).events {
            switch event {
            case .token(let token): tokens.append(token)
            case .finished(_, let counts, _): usage = counts
            case .failed(let error): throw error
            case .started, .progress, .promptLogprobs, .logprobs, .computed, .embedding: break
            }
        }
        return (tokens, usage)
    }

    private func prompt(_ count: Int, seed: Int = 1) -> [TokenID] { (0..<count).map { TokenID(($0 * 31 + seed * 7) % 250) } }

    /// Cut at every kind of place: inside a block, at its edges, after many.
    @Test(arguments: ["f16", "int8"])
    func aHitEqualsAMiss(_ format: String) async throws {
        var options = EngineOptions()
        options.cacheFormat = format == "int8" ? .int8 : .half
        let checkpoint = try Fixtures.checkpoint("tiny-qwen3")
        let engine = try Engine(checkpoint, options: options)
        let whole = prompt(300)
        _ = try await answer(engine, request(whole))
        for cut in [1, 2, 90, 127, 128, 129, 255, 256, 257, 299, 300] {
            var turn = Array(whole[..<cut])
            turn.append(TokenID((Int(whole[min(cut, 299)]) + 1) % 250))
            let fresh = try await answer(engine, request(turn, domain: CacheDomain(salt: [UInt8(cut / 256), UInt8(cut % 256)])))
            let reused = try await answer(engine, request(turn))
            #expect(reused.tokens == fresh.tokens, "cut at \(cut)")
            #expect(fresh.usage.cachedTokens == 0)
            #expect(reused.usage.cachedTokens >= cut, "cut at \(cut)")
        }
    }

    @Test func theNextTurnComputesOnlyItsNewTokens() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        let first = try await answer(engine, request(prompt(200)))
        let turn = prompt(200) + first.tokens + prompt(20, seed: 9)
        let second = try await answer(engine, request(turn))
        // Everything but the last generated token, which was never computed, and the new ones.
        #expect(second.usage.cachedTokens == 200 + first.tokens.count - 1)
        let other = try await answer(engine, request(turn, domain: CacheDomain(owner: 7)))
        #expect(other.usage.cachedTokens == 0)
        #expect(other.tokens == second.tokens)
    }

    /// A prefix that ends inside a block is a block more than the sequence itself needs.
    @Test func theWholePoolGoesToOneSequenceThatSharesAPrefix() async throws {
        var options = EngineOptions()
        options.cacheByteLimit = 1
        options.maxSequences = 1
        let engine = try Engine(try Fixtures.checkpoint("tiny-qwen2"), options: options)
        let all = engine.info.contextLength - 200
        let first = try await answer(engine, request(prompt(200), max: all))
        let second = try await answer(engine, request(prompt(200), max: all))
        #expect(first.usage.completionTokens == all && second.tokens == first.tokens)
        #expect(second.usage.cachedTokens == 128)
    }

    /// A pool for one long sequence only: prefixes make room, nothing leaks, answers stay the same.
    @Test func aSmallPoolServesEverybody() async throws {
        var options = EngineOptions()
        options.cacheByteLimit = 1
        options.maxSequences = 4
        let engine = try Engine(try Fixtures.checkpoint("tiny-qwen2"), options: options)
        var expected: [[TokenID]] = []
        for seed in 0..<8 { expected.append(try await answer(engine, request(prompt(150, seed: seed), seed: 5)).tokens) }
        let answers = try await withThrowingTaskGroup(of: (Int, [TokenID]).self) { group in
            for seed in 0..<8 {
                let priority = Priority.allCases[seed % 3]
                group.addTask { (seed, try await answer(engine, request(prompt(150, seed: seed), priority: priority, seed: 5)).tokens) }
            }
            return try await group.reduce(into: [Int: [TokenID]]()) { $0[$1.0] = $1.1 }
        }
        for seed in 0..<8 { #expect(answers[seed] == expected[seed]) }
        _ = try await answer(engine, request([1], max: 1))
        let statistics = engine.statistics
        #expect(statistics.freeBlocks == statistics.blockCount)
        #expect(statistics.cachedBlocks > 0)
    }

    /// An urgent request takes the place of batch work, which then ends with the tokens it would have had.
    @Test func interruptedWorkGoesOn() async throws {
        var options = EngineOptions()
        options.maxSequences = 1
        let engine = try Engine(try Fixtures.checkpoint("tiny-qwen2"), options: options)
        let alone = try await answer(engine, request(prompt(40), max: 200, seed: 3))
        let salted = CacheDomain(salt: [1])
        let (_, events) = try engine.submit(request(prompt(40), max: 200, priority: .batch, domain: salted, seed: 3))
        var tokens: [TokenID] = []
        var cached = -1
        for await event in events {
            if case .token(let token) = event { tokens.append(token) }
            if case .started(let count) = event { cached = count }
            if tokens.count == 20 { _ = try await answer(engine, request(prompt(10), max: 2, priority: .interactive)) }
        }
        #expect(tokens == alone.tokens)
        #expect(cached == 0)
    }

    @Test func fullQueuesRefuseAtOnceAndPerOwner() async throws {
        var options = EngineOptions()
        options.maxSequences = 1
        options.queueLimit = 4
        options.ownerQueueLimit = 2
        let engine = try Engine(try Fixtures.checkpoint("tiny-qwen2"), options: options)
        func submit(_ owner: UInt32) throws -> AsyncStream<GenerationEvent> {
            try engine.submit(request(prompt(200), max: 50, domain: CacheDomain(owner: owner))).events
        }
        var streams: [AsyncStream<GenerationEvent>] = []
        var refusals: Set<String> = []
        for index in 0..<40 {
            do { streams.append(try submit(UInt32(index < 10 ? 0 : index))) } catch { refusals.insert("\(error)") }
        }
        #expect(refusals.contains("\(EngineError.ownerQueueFull(limit: 2))"))
        #expect(refusals.contains("\(EngineError.queueFull(limit: 4))"))
        for stream in streams {
            var finished = false
            for await event in stream { if case .finished(.length, _, _) = event { finished = true } }
            #expect(finished)
        }
        _ = try submit(1)   // permits came back
    }
}
