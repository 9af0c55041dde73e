// Which calls of an answer are delivered, and when: a model that calls in circles is caught before its copies are told.
//
// Owns: holding back what equals an earlier call so far, counting copies, numbering what is delivered. Does not own: reading a call
// (ToolCallParser). Invariants: what is delivered in the end depends on the text only, never on the pieces in which it came; copies
// come after all other calls, and a call that was cut off is the last.

struct CallDelivery: Sendable {
    private struct Call: Sendable {
        let name: String
        /// Bytes: two spellings of one letter are two texts.
        var arguments: [UInt8] = []
        /// How often it came, once it is complete.
        var count = 0
    }

    /// Equal calls that are a loop: a model may want two.
    private static let limit = 3

    /// One of each, in the order in which they came.
    private var seen: [Call] = []
    /// Those in `seen` that came twice, in the order of the copies.
    private var copies: [Int] = []
    private var call = Call(name: "")
    /// Those in `seen` that `call` may still be a copy of: while there are any, it is held back. Nil between calls.
    private var twins: [Int]?
    private var deliveredCount = 0
    /// Whether a call came once too often. Its copies, and those of other calls, will not be delivered.
    private(set) var isLoop = false

    /// Whether a call is open that so far equals an earlier one.
    var isHeld: Bool { twins?.isEmpty == false }

    mutating func add(_ piece: ToolCallParser.Piece) -> [AnswerEvent] {
        switch piece {
        case .name(let name):
            call = Call(name: name)
            twins = seen.indices.filter { seen[$0].name.utf8.elementsEqual(name.utf8) }
        case .arguments(let text):
            let (place, wasHeld) = (call.arguments.count, isHeld)
            call.arguments += text.utf8
            guard wasHeld else { return [.callArguments(index: deliveredCount - 1, text)] }
            twins = twins?.filter { seen[$0].arguments.dropFirst(place).starts(with: text.utf8) }
        }
        return isHeld ? [] : deliver(call)
    }

    /// The call is complete.
    mutating func end() -> [AnswerEvent] {
        defer { twins = nil }
        if let twin = twins?.first(where: { seen[$0].arguments.count == call.arguments.count }) {
            seen[twin].count += 1
            copies.append(twin)
            isLoop = seen[twin].count == Self.limit
            return []
        }
        let events = isHeld ? deliver(call) : []
        call.count = 1
        seen.append(call)
        return events
    }

    /// The call cannot be read any further, and what was read of it is no copy.
    mutating func breakOff() -> [AnswerEvent] {
        defer { twins = nil }
        return isHeld ? deliver(call) : []
    }

    /// The end of the answer: copies are wanted if they did not become a loop. The beginning of one more is not.
    mutating func finish() -> [AnswerEvent] {
        let isCutOff = twins?.isEmpty == true
        guard !isLoop, !isCutOff else { return [] }
        return copies.flatMap { deliver(seen[$0]) }
    }

    private mutating func deliver(_ call: Call) -> [AnswerEvent] {
        defer { deliveredCount += 1 }
        let start = AnswerEvent.callStarted(index: deliveredCount, name: call.name)
        guard !call.arguments.isEmpty else { return [start] }
        return [start, .callArguments(index: deliveredCount, String(decoding: call.arguments, as: UTF8.self))]
    }
}
