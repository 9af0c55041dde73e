// Answers of the Messages API: content blocks, whole or as the events of a stream.
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

struct MessageForm: AnswerForm {
    enum Piece: Sendable {
        case started
        case changes([AnswerSections.Change])
    }

    private let response: MessagesResponse
    private var reader: AnswerReader
    private var sections = AnswerSections()
    private var measured = Measurements()
    private var stop = MessageStop("end_turn")

    init(_ response: MessagesResponse, _ reader: AnswerReader) {
        self.response = response
        self.reader = reader
    }

    mutating func add(_ event: TextEvent, of choice: Int, _ measured: Measurements?) -> Piece? {
        var changes = sections.add(reader.read(event))
        switch event {
        case .started(let total, let cached):
            (self.measured.promptTokens, self.measured.cachedTokens) = (total, cached)
            return .started
        case .finished(let reason, let usage, _):
            changes += sections.close()
            self.measured = measured ?? self.measured
            self.measured.thinkingTokens = reader.thinkingTokens
            stop = MessageStop(reader.end(reason, usage))
        case .progress, .promptLogprobs, .logprobs, .text, .stopped, .failed: break
        }
        return changes.isEmpty ? nil : .changes(changes)
    }

    var whole: JSONValue { response.whole(sections.list.indices.map { block($0) }, stop, measured) }

    /// The first event says how much of the prompt was cached, which is not known yet.
    func begin() -> [ServerSentEvent] { [] }

    func tell(_ piece: Piece) -> [ServerSentEvent] {
        switch piece {
        case .started: [.named("message_start", response.start(measured))]
        case .changes(let changes): changes.flatMap { tell($0) }
        }
    }

    func end() -> [ServerSentEvent] {
        [.named("message_delta", response.end(stop, measured)), .named("message_stop", ["type": "message_stop"])]
    }

    func fail(_ error: APIError) -> [ServerSentEvent] { [.named("error", error.messagesForm.json)] }

    /// Nothing precedes `message_start`.
    var ping: ServerSentEvent { measured.promptTokens == 0 ? .comment : Self.ping }

    private static let ping = ServerSentEvent.named("ping", ["type": "ping"])

    private func tell(_ change: AnswerSections.Change) -> [ServerSentEvent] {
        switch change {
        case .opened(let index):
            [.named("content_block_start", response.blockStart(index, block(index)))] + (index == 0 ? [Self.ping] : [])
        case .grew(let index, let text): [.named("content_block_delta", response.blockDelta(index, block(index, text: text)))]
        case .closed(let index):
            (sections.list[index].kind == .reasoning ? [.named("content_block_delta", response.signatureDelta(index))] : [])
                + [.named("content_block_stop", response.blockStop(index))]
        }
    }

    /// - Parameter text: other text than the section's own.
    private func block(_ index: Int, text: String? = nil) -> AnswerBlock {
        let section = sections.list[index]
        return switch section.kind {
        case .reasoning: .thinking(text ?? section.text)
        case .text: .text(text ?? section.text)
        case .call(let name): .toolUse(id: "toolu_" + section.key, name: name, arguments: text ?? section.text)
        }
    }
}

extension MessageStop {
    fileprivate init(_ end: AnswerEnd) {
        switch end {
        case .natural, .cancelled: self.init("end_turn")
        case .calls: self.init("tool_use")
        case .stopString(let string): self.init("stop_sequence", sequence: string)
        case .limit(.contextLength): self.init("model_context_window_exceeded")
        case .limit(.maxTokens), .limit(.repetition): self.init("max_tokens")
        }
    }
}
