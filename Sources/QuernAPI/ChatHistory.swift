// A chat put together from the parts of another API: turns, thinking, calls and their results, as chat completions spell them.
//
// Invariants: a result answers a call that came before it; no call is left without a result, for no model was taught what to
// make of either.
import QuernJSON

struct ChatHistory {
    /// What the assistant said in one turn.
    private struct Turn {
        var reasoning = ""
        var text: String?
        var calls: [JSONValue] = []

        /// Nil when nothing was said.
        var message: JSONValue? {
            guard text != nil || !calls.isEmpty || !reasoning.isEmpty else { return nil }
            var message = JSONObject()
            message.append("role", "assistant")
            message.append("content", .string(text ?? ""))
            if !reasoning.isEmpty { message.append("reasoning_content", .string(reasoning)) }
            if !calls.isEmpty { message.append("tool_calls", .array(calls)) }
            return .object(message)
        }
    }

    private struct Call {
        let name: String
        let path: String
        var isAnswered = false
    }

    private var messages: [JSONValue] = []
    private var turn = Turn()
    /// By id.
    private var calls: [[UInt8]: Call] = [:]

    /// A message that is text only.
    mutating func add(role: String, _ text: String) {
        endTurn()
        messages.append(["role": .string(role), "content": .string(text)])
    }

    mutating func addReasoning(_ text: String) { turn.reasoning += text }

    /// Text of the assistant, which may be empty.
    mutating func addAnswer(_ text: String) { turn.text = (turn.text ?? "") + text }

    /// - Parameter path: where the call stands in the request.
    mutating func addCall(_ id: String, name: String, arguments: JSONObject, path: String) throws(APIError) {
        guard calls.updateValue(Call(name: name, path: path), forKey: Array(id.utf8)) == nil else {
            throw .invalid(path, "\(path) has the id of an earlier call")
        }
        turn.calls.append([
            "id": .string(id), "type": "function", "function": ["name": .string(name), "arguments": .object(arguments)],
        ])
    }

    /// - Parameter path: where the id of the call stands in the request.
    mutating func addResult(of id: String, _ text: String, path: String) throws(APIError) {
        guard let call = calls[Array(id.utf8)] else { throw .invalid(path, "\(path) is the id of no earlier call") }
        guard !call.isAnswered else { throw .invalid(path, "\(path) is the id of a call that has a result already") }
        calls[Array(id.utf8)]?.isAnswered = true
        endTurn()
        messages.append(["role": "tool", "tool_call_id": .string(id), "name": .string(call.name), "content": .string(text)])
    }

    /// What the assistant says next is another turn.
    mutating func endTurn() {
        if let message = turn.message { messages.append(message) }
        turn = Turn()
    }

    /// Whether the assistant's turn has come to its text or its calls.
    var hasAnswer: Bool { turn.text != nil || !turn.calls.isEmpty }

    /// All messages.
    mutating func finish() throws(APIError) -> [JSONValue] {
        endTurn()
        let open = calls.values.filter { !$0.isAnswered }.map(\.path)
        if let first = open.min() { throw .invalid(first, "\(first) is a call without a result") }
        return messages
    }
}
