// Log-probabilities and pooled states against the logits they come from.
import Foundation
import QuernCheckpoint
import QuernEngine
import QuernModel
import Testing

@Suite struct LogprobTests {
    private let prompt: [TokenID] = (0..<150).map { TokenID(($0 * 37 + 11) % 250) }

    private func run(_ engine: Engine, _ request: GenerationRequest) async throws -> [GenerationEvent] {
        var events: [GenerationEvent] = []
        for await event in try engine.submit(request).events { events.append(event) }
        return events
    }

    private func request(_ prompt: [TokenID], max: Int, _ configure: (inout GenerationRequest) -> Void) -> GenerationRequest {
        var sampling = SamplingParameters()
        sampling.temperature = 0
        var request = GenerationRequest(prompt: prompt, maxTokens: max, stopTokens: [], sampling: sampling)
        configure(&request)
        return request
    }

    private func promptScores(_ events: [GenerationEvent]) -> [TokenLogprobs] {
        events.compactMap { if case .promptLogprobs(let list) = $0 { list } else { nil } }.first ?? []
    }

    private func embedding(_ engine: Engine, _ prompt: [TokenID], _ pooling: Pooling) async throws -> [Float] {
        let events = try await run(engine, request(prompt, max: 0) { $0.pooling = pooling })
        return events.compactMap { if case .embedding(let vector) = $0 { vector } else { nil } }.first ?? []
    }

    /// Log-softmax in double precision, straight from its definition.
    private func logSoftmax(_ row: [Float]) -> [Double] {
        let total = log(row.reduce(0.0) { $0 + exp(Double($1)) })
        return row.map { Double($0) - total }
    }

    @Test func scoresAreLogSoftmaxOfTheLogits() async throws {
        let engine = try Fixtures.engine("tiny-qwen3", precision: .int8)
        let rows = try engine.logits(tokens: prompt, positions: Set(prompt.indices))
        let events = try await run(engine, request(prompt, max: 1) {
            $0.topLogprobs = 5
            $0.scoresPrompt = true
        })
        let scores = promptScores(events)
        try #require(scores.count == prompt.count - 1)
        let generated = events.compactMap { if case .logprobs(let scores) = $0 { scores } else { nil } }
        for (position, score) in (scores + generated).enumerated() {
            let expected = logSoftmax(rows[position])
            #expect(abs(Double(score.logprob) - expected[Int(score.token)]) < 1e-4)
            if position + 1 < prompt.count { #expect(score.token == prompt[position + 1]) }
            let order = expected.indices.sorted { (expected[$1], $0) < (expected[$0], $1) }
            #expect(score.top.map { Int($0.token) } == Array(order.prefix(5)))
            for candidate in score.top { #expect(abs(Double(candidate.logprob) - expected[Int(candidate.token)]) < 1e-4) }
        }
    }

    /// More prompt rows than there is room for logits at once, beside another sequence, and after its prefix was cached.
    @Test func scoresDoNotDependOnCompany() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        let scored = request(prompt, max: 4) {
            $0.topLogprobs = 2
            $0.scoresPrompt = true
        }
        let alone = promptScores(try await run(engine, scored))
        async let other = run(engine, request(prompt.reversed(), max: 30) { $0.topLogprobs = 1 })
        let together = promptScores(try await run(engine, scored))
        _ = try await other
        #expect(alone.count == prompt.count - 1)
        #expect(together == alone)
    }

    @Test func progressEndsWithThePrompt() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        let long = Array((0..<3).map { _ in prompt }.joined())
        let events = try await run(engine, request(long, max: 1) { $0.reportsProgress = true })
        let progress = events.compactMap { if case .progress(let count) = $0 { count } else { nil } }
        #expect(progress == [256, 450])
    }

    @Test func nothingIsGeneratedWhenNothingIsWanted() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        let limit = engine.info.contextLength
        let full = Array(repeating: TokenID(1), count: limit)
        for await event in try engine.submit(request(full, max: 0) { _ in }).events {
            if case .token = event { Issue.record("a token") }
            if case .finished(let reason, let usage, _) = event {
                #expect(reason == .length)
                #expect(usage.completionTokens == 0)
            }
        }
    }

    /// With tied embeddings the head is known: the pooled state times the embedding matrix points where the logits do.
    @Test func theLastStateExplainsTheLogits() async throws {
        let checkpoint = try Fixtures.checkpoint("tiny-qwen2")
        let engine = try Fixtures.engine("tiny-qwen2", precision: .float32)
        let config = engine.info.config
        try #require(config.tiesEmbeddings)
        var matrix = [Float](repeating: 0, count: config.vocabularySize * config.hiddenSize)
        try matrix.withUnsafeMutableBufferPointer { try checkpoint.readRows(of: "model.embed_tokens.weight", rows: 0..<config.vocabularySize, into: $0) }
        let vector = try await embedding(engine, prompt, .last)
        #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        let row = try engine.logits(tokens: prompt, positions: [prompt.count - 1])[0]
        let products = (0..<config.vocabularySize).map { token in
            zip(vector, matrix[(token * config.hiddenSize)...]).reduce(Float(0)) { $0 + $1.0 * $1.1 }
        }
        // Logits are these products times the state's length.
        let scale = zip(row, products).reduce(0) { $0 + $1.0 * $1.1 } / products.reduce(0) { $0 + $1 * $1 }
        for (logit, product) in zip(row, products) { #expect(abs(logit - scale * product) < 1e-3 * max(1, abs(logit))) }
    }

    @Test func meansAreOverAllPositions() async throws {
        let engine = try Fixtures.engine("tiny-qwen2", precision: .int8)
        #expect(try await embedding(engine, [7], .mean) == embedding(engine, [7], .last))
        let long = Array((0..<2).map { _ in prompt }.joined())
        let alone = try await embedding(engine, long, .mean)
        #expect(alone != (try await embedding(engine, long, .last)))
        async let other = run(engine, request(prompt, max: 60) { _ in })
        // Again, with its prefix cached and in company.
        #expect(try await embedding(engine, long, .mean) == alone)
        _ = try await other
    }
}
