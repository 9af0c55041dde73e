// An answer as the list of its parts, in the order in which the model wrote them: thinking, text, calls.
//
// Invariant: where a part begins and ends depends on what was written only, never on the pieces in which it came.
import Foundation
import Quern

struct AnswerSections: Sendable {
    enum Kind: Sendable, Equatable {
        case reasoning, text
        case call(name: String)
    }

    struct Section: Sendable {
        let kind: Kind
        /// Unlike any other, for ids.
        let key: String
        /// Of a call: its arguments, as JSON.
        var text = ""
    }

    /// What a piece of an answer does to the list; sections are numbered from 0, and only the last is ever open.
    enum Change: Sendable {
        case opened(Int)
        case grew(Int, by: String)
        case closed(Int)
    }

    private(set) var list: [Section] = []
    private var isOpen = false

    mutating func add(_ events: [AnswerEvent]) -> [Change] {
        events.flatMap { event in
            switch event {
            case .reasoning(let text): grow(.reasoning, text)
            case .content(let text): grow(.text, text)
            case .callStarted(_, let name): close() + open(.call(name: name))
            case .callArguments(_, let text): grow(list.last?.kind, text)
            }
        }
    }

    /// The end of the answer.
    mutating func close() -> [Change] {
        guard isOpen else { return [] }
        isOpen = false
        return [.closed(list.count - 1)]
    }

    private mutating func grow(_ kind: Kind?, _ text: String) -> [Change] {
        guard let kind, !text.isEmpty else { return [] }
        let opening = isOpen && list.last?.kind == kind ? [] : close() + open(kind)
        list[list.count - 1].text += text
        return opening + [.grew(list.count - 1, by: text)]
    }

    private mutating func open(_ kind: Kind) -> [Change] {
        isOpen = true
        list.append(Section(kind: kind, key: UUID().key))
        return [.opened(list.count - 1)]
    }
}

extension UUID {
    /// Its digits alone, as ids of answers have them.
    var key: String { uuidString.lowercased().filter { $0 != "-" } }
}
