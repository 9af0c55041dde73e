// What the engine does with requests it must refuse, cut short or forget.
import QuernEngine
import Testing

@Suite struct RequestTests {
    private func request(_ prompt: [TokenID], max: Int? = 4, stop: Set<TokenID> = []) -> GenerationRequest {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        return GenerationRequest(prompt: prompt, maxTokens: max, stopTokens: stop, sampling: sampling)
    }

    @Test func refusesWhatCannotBeComputed() throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        #expect(throws: EngineError.emptyPrompt) { try engine.submit(request([])) }
        #expect(throws: EngineError.tokenOutOfRange(index: 1, token: -1, tokenCount: 256)) {
            try engine.submit(request([1, -1]))
        }
        #expect(throws: EngineError.tokenOutOfRange(index: 0, token: 256, tokenCount: 256)) {
            try engine.submit(request([256]))
        }
        let limit = engine.info.contextLength
        #expect(throws: EngineError.contextLengthExceeded(prompt: limit, limit: limit)) {
            try engine.submit(request(Array(repeating: 1, count: limit)))
        }
    }

    @Test func stopsAtTheContextAndReportsLength() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        let limit = engine.info.contextLength
        var usage = Usage()
        var reason: FinishReason?
        for await event in try engine.submit(request(Array(repeating: 1, count: limit - 3), max: nil)).events {
            if case .finished(let why, let counts, _) = event { (reason, usage) = (why, counts) }
        }
        #expect(reason == .length)
        #expect(usage.completionTokens == 3)
        #expect(usage.promptTokens == limit - 3)
    }

    @Test func stopTokensEndWithoutBeingDelivered() async throws {
        let engine = try Fixtures.engine("tiny-qwen2", precision: .int8)
        let prompt: [TokenID] = [5, 6, 7]
        let free = try await complete(engine, prompt, count: 8)
        var delivered: [TokenID] = []
        var reason: FinishReason?
        for await event in try engine.submit(request(prompt, max: 8, stop: [free[3]])).events {
            if case .token(let token) = event { delivered.append(token) }
            if case .finished(let why, _, _) = event { reason = why }
        }
        let expected = Array(free[..<(free.firstIndex(of: free[3]) ?? 3)])
        #expect(delivered == expected)
        #expect(reason == .stop)
    }

    @Test func droppedStreamsFreeTheirBlocks() async throws {
        let engine = try Fixtures.engine("tiny-qwen2", precision: .int8)
        for _ in 0..<20 {
            let (_, events) = try engine.submit(request([1, 2, 3], max: nil))
            for await event in events { if case .token = event { break } }
        }
        _ = try await complete(engine, [1], count: 1)
        var statistics = engine.statistics
        for _ in 0..<200 where statistics.freeBlocks != statistics.blockCount || statistics.runningSequences > 0 {
            try await Task.sleep(for: .milliseconds(5))
            _ = try await complete(engine, [1], count: 1)
            statistics = engine.statistics
        }
        #expect(statistics.freeBlocks == statistics.blockCount)
        #expect(statistics.runningSequences == 0)
    }

    @Test func drainFinishesLiveSequencesAndRefusesNewOnes() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        let (_, events) = try engine.submit(request([1, 2], max: 30))
        async let drained: Void = engine.drain()
        var count = 0
        for await event in events { if case .token = event { count += 1 } }
        await drained
        #expect(count == 30)
    }

    @Test func unknownInstructionSetIsNamed() throws {
        var options = EngineOptions()
        options.instructionSet = "mmx"
        #expect(throws: EngineError.self) { try Engine(try Fixtures.checkpoint("tiny-llama"), options: options) }
    }
}
