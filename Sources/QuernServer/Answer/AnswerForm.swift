// How one API tells an answer: as a whole, and as the events of a stream.
//
// Invariant: a form adds up the pieces that it is given, and both ways of telling are made of these: a stream's events add up to
// the whole answer by construction.
import NIOCore
import Quern
import QuernAPI
import QuernJSON

protocol AnswerForm: Sendable {
    /// What one event adds to the answer.
    associatedtype Piece

    /// Takes in what the generation numbered `choice` did, with its end also what it took; nil when that adds nothing.
    mutating func add(_ event: TextEvent, of choice: Int, _ measured: Measurements?) -> Piece?

    /// The whole answer, once every generation has ended.
    var whole: JSONValue { get }

    /// What a stream begins with.
    mutating func begin() -> [ServerSentEvent]
    /// What a stream says of a piece that was just added.
    mutating func tell(_ piece: Piece) -> [ServerSentEvent]
    /// What a stream ends with, once every generation has ended.
    mutating func end() -> [ServerSentEvent]
    /// What a stream ends with when a generation fails.
    mutating func fail(_ error: APIError) -> [ServerSentEvent]
    /// What keeps a silent stream's connection.
    var ping: ServerSentEvent { get }
}

enum ServerSentEvent: Sendable {
    case data(JSONValue)
    case named(String, JSONValue)
    case comment
    /// The end of a stream of chat completions or completions.
    case done

    var bytes: ByteBuffer {
        switch self {
        case .data(let json): ByteBuffer(string: "data: \(json.serialized())\n\n")
        case .named(let name, let json): ByteBuffer(string: "event: \(name)\ndata: \(json.serialized())\n\n")
        case .comment: ByteBuffer(string: ":\n\n")
        case .done: ByteBuffer(string: "data: [DONE]\n\n")
        }
    }
}
