// Constraints, thinking and loops at the level of tokens; the tiny model's 256 tokens stand for bytes.
import QuernEngine
import QuernGrammar
import Testing

@Suite struct GuidanceTests {
    private static let bytes = Vocabulary((0..<256).map { [UInt8($0)] })

    private let engine: Engine

    init() throws { engine = try Fixtures.engine("tiny-llama", precision: .int8) }

    private func request(_ plan: GuidancePlan, max: Int? = 60, seed: UInt64 = 3) -> GenerationRequest {
        var sampling = SamplingParameters()
        sampling.seed = seed
        var request = GenerationRequest(prompt: [1, 2, 3], maxTokens: max, stopTokens: [0], sampling: sampling)
        request.guidance = plan
        return request
    }

    private func constraint(_ regex: String) throws -> GuidancePlan {
        GuidancePlan(answer: try CompiledGrammar.compile(.regex(regex), vocabulary: Self.bytes))
    }

    private func run(_ request: GenerationRequest) async throws -> (tokens: [TokenID], reason: FinishReason?, usage: Usage) {
        var tokens: [TokenID] = []
        var reason: FinishReason?
        var usage = Usage()
        for await event in try engine.submit(request).events {
            switch event {
            case .token(let token): tokens.append(token)
            case .finished(let why, let counts, _): (reason, usage) = (why, counts)
            default: break
            }
        }
        return (tokens, reason, usage)
    }

    private func text(_ tokens: [TokenID]) -> String { String(decoding: tokens.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self) }

    @Test func everyTokenSatisfiesTheConstraint() async throws {
        for seed in 0..<20 as Range<UInt64> {
            let answer = try await run(request(try constraint("[a-c]{3,5}(hello|help)x?"), seed: seed))
            #expect(text(answer.tokens).wholeMatch(of: /[a-c]{3,5}(hello|help)x?/) != nil)
            #expect(answer.reason == .stop)
        }
    }

    /// What leaves much open is asked about token by token; the choice is the one a mask of all would leave.
    @Test func theLikeliestAllowedTokenIsChosen() async throws {
        let plan = try constraint("[^aeiou\\u0000-\\u001f]{40}")
        var request = request(plan)
        request.sampling.temperature = 0
        request.topLogprobs = 20
        var matcher = GrammarMatcher(try #require(plan.answer))
        var (count, sawRefusal) = (0, false)
        for await event in try engine.submit(request).events {
            guard case .logprobs(let scores) = event else { continue }
            count += 1
            if let best = scores.top.first(where: { matcher.allows($0.token) }) { #expect(best.token == scores.token) }
            if let first = scores.top.first, !matcher.allows(first.token) { sawRefusal = true }
            let moved = matcher.accept(scores.token)
            #expect(moved)
        }
        #expect(count >= 40 && sawRefusal)
    }

    @Test func drawnTokensAreAllowed() async throws {
        let plan = try constraint("\"[^\"\\\\\\u0000-\\u001f]{5,12}\"")     // the stop token is the byte 0
        let grammar = try #require(plan.answer)
        for seed in 0..<20 as Range<UInt64> {
            let answer = try await run(request(plan, seed: seed))
            var matcher = GrammarMatcher(grammar)
            let isAllowed = answer.tokens.allSatisfy { matcher.accept($0) }
            #expect(isAllowed && (matcher.isComplete || answer.reason == .length), "\(answer.reason): \(text(answer.tokens))")
        }
    }

    @Test func answersDoNotDependOnCompany() async throws {
        let plan = try constraint("([a-z]{2,9},){4}end")
        let alone = try await run(request(plan)).tokens
        let together = try await withThrowingTaskGroup(of: [TokenID].self) { group in
            for seed in 10..<16 as Range<UInt64> { group.addTask { try await run(request(GuidancePlan(), seed: seed)).tokens } }
            let same = try await run(request(plan)).tokens
            try await group.waitForAll()
            return same
        }
        #expect(alone == together)
    }

    @Test func forcedTextNeedsNoSampling() async throws {
        let steps = engine.statistics.steps
        let answer = try await run(request(try constraint("[ab]constant text without any choice")))
        #expect(text(answer.tokens.dropFirst().map { $0 }) == "constant text without any choice")
        #expect(answer.reason == .stop)
        #expect(answer.usage.completionTokens == 33)
        #expect(engine.statistics.steps - steps <= 3)
    }

    @Test func theTokenLimitHoldsForForcedText() async throws {
        let answer = try await run(request(try constraint("[ab]constant text"), max: 6))
        #expect(text(answer.tokens.dropFirst().map { $0 }) == "const")
        #expect(answer.reason == .length)
    }

    @Test(arguments: [0, 1, 7]) func thinkingEndsWithinItsBudget(_ budget: Int) async throws {
        var plan = try constraint("[xyz]{4}")
        plan.thinking = ThinkingPlan(opening: nil, end: 250, closing: [10, 250, 10], budget: budget)
        let answer = try await run(request(plan))
        let end = try #require(answer.tokens.firstIndex(of: 250))
        #expect(end <= max(1, budget) + 1)
        #expect(text(Array(answer.tokens.suffix(4))).wholeMatch(of: /[xyz]{4}/) != nil)
        #expect(answer.usage.thinkingEnd == .budget || answer.usage.thinkingEnd == .closed)
        #expect(answer.reason == .stop)
    }

    @Test func thinkingLeavesTheAnswerItsReserve() async throws {
        var plan = try constraint("[xyz]{8}")
        plan.thinking = ThinkingPlan(opening: nil, end: 250, closing: [250], answerReserve: 8)
        let answer = try await run(request(plan, max: 30))
        #expect(text(Array(answer.tokens.suffix(8))).wholeMatch(of: /[xyz]{8}/) != nil)
        #expect(answer.usage.thinkingEnd == .reserve || answer.usage.thinkingEnd == .closed)
    }

    @Test func loopsEndWithTheirReason() async throws {
        var plan = try constraint("(abc)+!")
        var limits = RepetitionLimits()
        (limits.longestPeriod, limits.count, limits.minimumTokens) = (8, 4, 9)
        plan.repetition = limits
        var request = request(plan, max: nil)
        request.sampling.logitBias = [33: -100]     // the one way out
        let answer = try await run(request)
        #expect(answer.reason == .repetition)
        #expect((9...20).contains(answer.tokens.count))
    }

    @Test func plansForAnotherVocabularyAreRefused() throws {
        let other = try CompiledGrammar.compile(.regex("a"), vocabulary: Vocabulary([[97]]))
        #expect(throws: EngineError.guidanceMismatch(tokenCount: 256)) { try engine.submit(request(GuidancePlan(answer: other))) }
        let tag = GuidancePlan(thinking: ThinkingPlan(opening: nil, end: 256, closing: []))
        #expect(throws: EngineError.guidanceMismatch(tokenCount: 256)) { try engine.submit(request(tag)) }
    }
}
