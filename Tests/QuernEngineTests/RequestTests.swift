// What the engine does with requests it must refuse, cut short or forget.
import Glibc
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

    /// Those that wait are told at once that they wait for nothing.
    @Test func drainRefusesWhatWaits() async throws {
        var options = EngineOptions()
        options.maxSequences = 1
        let engine = try Engine(try Fixtures.checkpoint("tiny-llama"), options: options)
        let streams = try (0..<60).map { try engine.submit(request([1, TokenID($0)], max: 500)).events }
        await engine.drain()    // asked for before a busy machine could have answered them all
        var ends: [EngineError?] = []
        for stream in streams { ends.append(await Self.end(of: stream)) }
        // Those that had begun have ended as ever; behind them nothing was begun.
        #expect(ends.last == .shuttingDown && ends.allSatisfy { $0 == nil || $0 == .shuttingDown })
        #expect(engine.statistics.finishedSequences == ends.count { $0 == nil })
        // Nobody is there any more; nothing waits for ever.
        #expect(await Self.end(of: try engine.submit(request([1])).events) == .shuttingDown)
    }

    /// What runs is finished as if nothing were; who waits and who comes is refused; nothing is kept.
    @Test func shortMemoryFinishesWhatRuns() async throws {
        var options = EngineOptions()
        options.maxSequences = 1
        let engine = try Engine(try Fixtures.checkpoint("tiny-llama"), options: options)
        let long = request([3, 1, 4], max: 200)
        let alone = try await complete(engine, long.prompt, count: 200)
        let streams = try (0..<60).map { _ in try engine.submit(long).events }
        engine.setMemoryShort(true)
        #expect(throws: EngineError.memoryShort) { try engine.submit(long) }
        var refused = 0
        for stream in streams {
            var tokens: [TokenID] = []
            for await event in stream {
                if case .token(let token) = event { tokens.append(token) }
                if case .failed(let error) = event { refused += error == .memoryShort ? 1 : 0 }
            }
            #expect(tokens == alone || tokens.isEmpty)
        }
        #expect(refused > 0)
        engine.setMemoryShort(true)
        engine.setMemoryShort(false)
        #expect(try await complete(engine, long.prompt, count: 200) == alone)
    }

    @Test func abandonFailsEverything() async throws {
        var options = EngineOptions()
        options.maxSequences = 1
        let engine = try Engine(try Fixtures.checkpoint("tiny-llama"), options: options)
        let streams = try (0..<2).map { _ in try engine.submit(request([1], max: nil)).events }
        engine.abandon()
        for stream in streams { #expect(await Self.end(of: stream) == .shuttingDown) }
        await engine.drain()
    }

    private static func end(of events: AsyncStream<GenerationEvent>) async -> EngineError? {
        for await event in events { if case .failed(let error) = event { return error } }
        return nil
    }

    /// An owner who has all slots makes room for one who has none; the interrupted answer stays what it was.
    @Test func nobodyTakesAllSlots() async throws {
        var options = EngineOptions()
        options.maxSequences = 2
        let engine = try Engine(try Fixtures.checkpoint("tiny-llama"), options: options)
        var long = request([3, 1, 4], max: 200)
        long.domain = CacheDomain(owner: 1, salt: [])
        long.priority = .interactive
        let alone = try await complete(engine, long.prompt, count: 200)
        let streams = try (0..<60).map { _ in try engine.submit(long).events }
        // Nothing is awaited here: a busy machine could come back to this test when all are answered.
        while engine.statistics.runningSequences < 2 { usleep(100) }
        var other = request([2, 7], max: 2)
        other.domain = CacheDomain(owner: 2, salt: [])
        for await _ in try engine.submit(other).events {}
        #expect(engine.statistics.preemptions == 1)
        for stream in streams {
            var tokens: [TokenID] = []
            for await event in stream { if case .token(let token) = event { tokens.append(token) } }
            #expect(tokens == alone)
        }
    }

    @Test func unknownInstructionSetIsNamed() throws {
        var options = EngineOptions()
        options.instructionSet = "mmx"
        #expect(throws: EngineError.self) { try Engine(try Fixtures.checkpoint("tiny-llama"), options: options) }
    }
}
