// Answers of the Responses API: items, whole or as the events of a stream.
//
// Invariant: every event has the next sequence number; the last one carries the whole answer.
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

struct ResponseForm: AnswerForm {
    private let response: ResponseObject
    private var reader: AnswerReader
    private var sections = AnswerSections()
    private var status = ResponseStatus.inProgress
    private var limit: AnswerLimit?
    private var measured: Measurements?
    private var sequence = 0

    init(_ response: ResponseObject, _ reader: AnswerReader) {
        self.response = response
        self.reader = reader
    }

    mutating func add(_ event: TextEvent, of choice: Int, _ measured: Measurements?) -> [AnswerSections.Change]? {
        var changes = sections.add(reader.read(event))
        if case .finished(let reason, let usage, _) = event {
            changes += sections.close()
            self.measured = measured
            self.measured?.thinkingTokens = reader.thinkingTokens
            switch reader.end(reason, usage) {
            case .natural, .calls, .stopString: status = .completed
            case .cancelled: status = .cancelled
            case .limit(let limit): (status, self.limit) = (.incomplete, limit)
            }
        }
        return changes.isEmpty ? nil : changes
    }

    var whole: JSONValue {
        let output = sections.list.indices.map { item($0).json(status(of: $0)) }
        return response.json(status, output: output, limit: limit?.rawValue, measured)
    }

    mutating func begin() -> [ServerSentEvent] {
        [event("response.created", ["response": whole]), event("response.in_progress", ["response": whole])]
    }

    mutating func tell(_ changes: [AnswerSections.Change]) -> [ServerSentEvent] {
        changes.flatMap { change in
            switch change {
            case .opened(let index): open(index)
            case .grew(let index, let text): [grow(index, text)]
            case .closed(let index): close(index)
            }
        }
    }

    mutating func end() -> [ServerSentEvent] { [event("response.\(status.name)", ["response": whole])] }

    mutating func fail(_ error: APIError) -> [ServerSentEvent] {
        status = .failed(error)
        return end()
    }

    var ping: ServerSentEvent { .comment }

    private mutating func open(_ index: Int) -> [ServerSentEvent] {
        let item = item(index, text: "")
        let added = event(
            "response.output_item.added", ["output_index": .int(Int64(index)), "item": item.json(.inProgress, hasPart: false)])
        return [added] + (item.part.map { [event("response.content_part.added", of: index, ["part": $0])] } ?? [])
    }

    private mutating func grow(_ index: Int, _ text: String) -> ServerSentEvent {
        switch sections.list[index].kind {
        case .text: event("response.output_text.delta", of: index, ["delta": .string(text), "logprobs": []])
        case .reasoning: event("response.reasoning_text.delta", of: index, ["delta": .string(text)])
        case .call: event("response.function_call_arguments.delta", of: index, ["delta": .string(text)])
        }
    }

    private mutating func close(_ index: Int) -> [ServerSentEvent] {
        let text = JSONValue.string(sections.list[index].text)
        let done = switch sections.list[index].kind {
        case .text: event("response.output_text.done", of: index, ["text": text, "logprobs": []])
        case .reasoning: event("response.reasoning_text.done", of: index, ["text": text])
        case .call(let name): event("response.function_call_arguments.done", of: index, ["name": .string(name), "arguments": text])
        }
        let item = item(index)
        let part = item.part.map { [event("response.content_part.done", of: index, ["part": $0])] } ?? []
        let last = event("response.output_item.done", ["output_index": .int(Int64(index)), "item": item.json(status(of: index))])
        return [done] + part + [last]
    }

    /// An event about an item, or about the part of one that has a part.
    private mutating func event(_ type: String, of index: Int, _ members: KeyValuePairs<String, JSONValue>) -> ServerSentEvent {
        let item = item(index, text: "")
        var place = JSONObject()
        place.append("item_id", .string(item.id))
        place.append("output_index", .int(Int64(index)))
        if item.part != nil { place.append("content_index", 0) }
        return event(type, in: place.members, members)
    }

    private mutating func event(
        _ type: String, in place: [JSONObject.Member] = [], _ members: KeyValuePairs<String, JSONValue>
    ) -> ServerSentEvent {
        var json = JSONObject()
        json.append("type", .string(type))
        json.append("sequence_number", .int(Int64(sequence)))
        for member in place { json.append(member.key, member.value) }
        for (key, value) in members { json.append(key, value) }
        sequence += 1
        return .named(type, .object(json))
    }

    /// An item that is no longer written.
    private func status(of index: Int) -> ResponseStatus {
        switch status {
        case .inProgress, .completed: .completed
        case .incomplete, .cancelled, .failed: index == sections.list.count - 1 ? .incomplete : .completed
        }
    }

    /// - Parameter text: other text than the section's own.
    private func item(_ index: Int, text: String? = nil) -> ResponseItem {
        let section = sections.list[index]
        return switch section.kind {
        case .text: .message(key: section.key, text: text ?? section.text)
        case .reasoning: .reasoning(key: section.key, text: text ?? section.text)
        case .call(let name): .call(key: section.key, name: name, arguments: text ?? section.text)
        }
    }
}
