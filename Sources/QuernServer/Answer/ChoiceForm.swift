// Answers of chat completions and completions: choices, whole or as chunks.
//
// Invariant: counts of a prompt that several choices answer are added once.
import Quern
import QuernAPI
import QuernJSON

struct ChoiceForm: AnswerForm {
    enum Piece: Sendable {
        case part(ChoicePart)
        /// With what the choice took.
        case last(ChoicePart, Measurements)
        case progress(index: Int, total: Int, cached: Int, processed: Int, milliseconds: Double)
    }

    private let response: CompletionResponse
    private let includesUsage: Bool
    /// Choices per prompt.
    private let countPerPrompt: Int
    private var assemblers: [ChoiceAssembler]
    private var choices: [ChoicePart]
    /// Prompt and cached tokens of each choice, and when it was started.
    private var prompts: [Int: (total: Int, cached: Int, start: ContinuousClock.Instant)] = [:]
    private var total = Measurements()

    /// - Parameter assemblers: one per choice, before its first event.
    init(_ response: CompletionResponse, _ assemblers: [ChoiceAssembler], countPerPrompt: Int, includesUsage: Bool) {
        self.response = response
        self.assemblers = assemblers
        self.countPerPrompt = countPerPrompt
        self.includesUsage = includesUsage
        choices = assemblers.indices.map { ChoicePart(index: $0) }
    }

    mutating func add(_ event: TextEvent, of choice: Int, _ measured: Measurements?) -> Piece? {
        let part = assemblers[choice].add(event)
        if let part { choices[choice].append(part) }
        switch event {
        case .started(let total, let cached): prompts[choice] = (total, cached, .now)
        case .progress(let count):
            return prompts[choice].map { prompt in
                .progress(
                    index: choice, total: prompt.total, cached: prompt.cached, processed: count,
                    milliseconds: (.now - prompt.start) / .milliseconds(1))
            }
        case .finished:
            guard var measured else { break }
            measured.thinkingTokens = assemblers[choice].thinkingTokens
            total.add(measured, sharesPrompt: choice % countPerPrompt != 0)
            return part.map { .last($0, measured) }
        case .promptLogprobs, .logprobs, .text, .stopped, .failed: break
        }
        return part.map { .part($0) }
    }

    var whole: JSONValue { response.whole(choices, total) }

    func begin() -> [ServerSentEvent] { assemblers.indices.compactMap { response.opening(index: $0).map { .data($0) } } }

    func tell(_ piece: Piece) -> [ServerSentEvent] {
        switch piece {
        case .part(let part): [.data(response.piece(part))]
        case .last(let part, let measured): [.data(response.closing(part, measured))]
        case .progress(let index, let total, let cached, let processed, let milliseconds):
            [.data(response.progress(index: index, total: total, cached: cached, processed: processed, milliseconds: milliseconds))]
        }
    }

    func end() -> [ServerSentEvent] { (includesUsage ? [.data(response.usage(total))] : []) + [.done] }

    func fail(_ error: APIError) -> [ServerSentEvent] { [.data(error.json)] }

    var ping: ServerSentEvent { .comment }
}
