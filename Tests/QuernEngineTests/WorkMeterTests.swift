// What the engine says it read, written and computed, against the shapes of the model.
import QuernEngine
import QuernModel
import QuernTensor
import Testing

@Suite struct WorkMeterTests {
    private func run(
        _ engine: Engine, prompt: [TokenID], count: Int, reportsWork: Bool = false
    ) async throws -> (timings: Timings, reported: [EngineWork]) {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        var request = GenerationRequest(prompt: prompt, maxTokens: count, stopTokens: [], sampling: sampling)
        request.reportsWork = reportsWork
        request.domain = CacheDomain(salt: withUnsafeBytes(of: prompt.count) { [UInt8]($0) })
        var reported: [EngineWork] = []
        for await event in try engine.submit(request).events {
            if case .computed(let work) = event { reported.append(work) }
            if case .finished(_, _, let timings) = event { return (timings, reported) }
        }
        throw EngineError.shuttingDown
    }

    /// The counters as they are once the step of the last event has been published.
    private func work(_ engine: Engine, finished: Int) async -> EngineWork {
        while engine.statistics.finishedSequences < finished { await Task.yield() }
        return engine.statistics.work
    }

    @Test func countsWhatTheShapesSay() async throws {
        let engine = try Fixtures.engine("tiny-qwen2", precision: .int8)
        let info = engine.info
        let (timings, _) = try await run(engine, prompt: [1, 2, 3, 4, 5], count: 4)
        let work = await work(engine, finished: 1)
        // One step for the prompt, three more of a token each; all of them need the head.
        #expect(work.weightBytesRead == 4 * info.weightBytesPerStep)
        let perToken = KVStorage.bytesPerToken(
            layers: info.config.layerCount, kvHeads: info.config.kvHeadCount, headDim: info.config.headDim, format: info.cacheFormat)
        #expect(work.stateBytesRead == (5 + 6 + 7 + 8) * perToken)
        #expect(work.stateBytesWritten == 8 * perToken)
        #expect(work.promptTokens == 5 && work.promptPositions == 15)
        #expect(work.decodeSteps == 3 && work.decodedTokens == 3 && work.decodedPositions == 6 + 7 + 8)
        // The answer's own figures begin at its first token.
        let predicted = timings.predictedWork
        #expect(predicted.weightBytesRead == 3 * info.weightBytesPerStep)
        #expect(predicted.promptTokens == 0 && predicted.decodedTokens == 3)
    }

    @Test func reportsAddUpToEverything() async throws {
        let engine = try Fixtures.engine("tiny-qwen2", precision: .int8)
        let (timings, reported) = try await run(engine, prompt: [1, 2, 3], count: 6, reportsWork: true)
        let whole = await work(engine, finished: 1)
        #expect(reported.count == 6)
        #expect(reported.reduce(0) { $0 + $1.weightBytesRead } == whole.weightBytesRead)
        #expect(reported.reduce(0) { $0 + $1.decodedPositions } == whole.decodedPositions)
        #expect(reported.first?.promptTokens == 3)
        #expect(reported.dropFirst().reduce(0) { $0 + $1.weightBytesRead } == timings.predictedWork.weightBytesRead)
        // Nobody is told who did not ask.
        #expect(try await run(engine, prompt: [4, 5], count: 2).reported.isEmpty)
    }

    /// A step of one token reads the experts it chose; a long prompt reads more of them, and never more than there are.
    @Test func expertsCountWhenChosen() async throws {
        let engine = try Fixtures.engine("tiny-qwen3_moe", precision: .int8)
        let experts = try #require(engine.info.config.experts)
        let (timings, _) = try await run(engine, prompt: [1, 2], count: 5)
        #expect(timings.predictedWork.weightBytesRead == 4 * engine.info.weightBytesPerStep)
        let before = await work(engine, finished: 1)
        _ = try await run(engine, prompt: (0..<64).map { TokenID($0 % 60) }, count: 1)
        let read = await work(engine, finished: 2).weightBytesRead - before.weightBytesRead
        #expect(read > engine.info.weightBytesPerStep)
        #expect(read <= engine.info.weightBytesPerStep * experts.expertCount / experts.expertsPerToken)
    }

    /// A sliding layer reads no further back than its window.
    @Test func windowsBoundWhatIsRead() async throws {
        let engine = try Fixtures.engine("tiny-sliding", precision: .int8)
        let config = engine.info.config
        let window = try #require(config.slidingWindow)
        let count = 2 * window
        _ = try await run(engine, prompt: (0..<count).map { TokenID($0 % 50) }, count: 2)
        let perLayer = KVStorage.bytesPerToken(
            layers: 1, kvHeads: config.kvHeadCount, headDim: config.headDim, format: engine.info.cacheFormat)
        let sliding = config.layerKinds.count { $0 == .sliding }
        let full = config.layerKinds.count - sliding
        #expect(sliding > 0)
        let expected = perLayer * (full * (count + count + 1) + sliding * (count + window))
        #expect(await work(engine, finished: 1).stateBytesRead == expected)
    }

    /// Recurrent states are read and written once per sequence and step, whatever its length.
    @Test func statesAreReadAndWritten() async throws {
        let engine = try Fixtures.engine("tiny-qwen3_5_text", precision: .int8)
        let before = engine.statistics.work
        let (timings, _) = try await run(engine, prompt: [1, 2, 3], count: 3)
        let work = await work(engine, finished: 1) - before
        let config = engine.info.config
        let perToken = KVStorage.bytesPerToken(
            layers: config.layerKinds.count { $0 != .linear }, kvHeads: config.kvHeadCount, headDim: config.headDim,
            format: engine.info.cacheFormat)
        let state = work.stateBytesWritten - 5 * perToken
        #expect(state > 0 && state % 3 == 0)
        #expect(work.stateBytesRead == state + (3 + 4 + 5) * perToken)
        #expect(timings.predictedWork.stateBytesWritten == 2 * (state / 3 + perToken))
    }
}
