// What an answer consists of, piece by piece, and the pieces put together.
//
// A streamed answer sends the events, an unstreamed one sends the sum of the same events: the two are equal by construction.

public enum AnswerEvent: Sendable, Equatable {
    case reasoning(String)
    case content(String)
    /// A call begins; calls are numbered from 0.
    case callStarted(index: Int, name: String)
    /// Further text of a call's arguments, which are JSON when they are complete.
    case callArguments(index: Int, String)
}

/// A call of a function.
public struct ToolCall: Sendable, Equatable {
    public var name: String
    /// JSON text.
    public var arguments: String

    public init(name: String, arguments: String) {
        self.name = name
        self.arguments = arguments
    }
}

/// An answer as a whole.
public struct StructuredAnswer: Sendable, Equatable {
    public var reasoning = ""
    public var content = ""
    public var calls: [ToolCall] = []

    public init() {}

    public mutating func append(_ event: AnswerEvent) {
        switch event {
        case .reasoning(let text): reasoning += text
        case .content(let text): content += text
        case .callStarted(_, let name): calls.append(ToolCall(name: name, arguments: ""))
        case .callArguments(let index, let text):
            guard calls.indices.contains(index) else { return }
            calls[index].arguments += text
        }
    }
}
