// Splits generated text into reasoning, content and calls while it arrives.
//
// Owns: where each part begins and ends. Does not own: what is inside a call (ToolCallParser), or whether it is delivered
// (CallDelivery). Invariants: no marker or part of one is ever delivered as text; all text is kept in `raw`; feeding the text in
// other pieces gives the same sums.

/// Whether generated text begins inside thinking.
public enum ThinkingStart: Sendable, Equatable {
    /// The model does not think, or thinking is off: tags are plain text.
    case absent
    /// The model may open it.
    case possible
    /// The prompt has opened it.
    case open
}

public struct AnswerParser: Sendable {
    private enum Part {
        case opening, reasoning, content, call, betweenCalls
        /// After calls in a loop: nothing more is delivered.
        case loop
    }

    private let tools: ToolSet?
    private var part: Part
    private var scanner = ByteScanner()
    /// Line ends that belong to a marker if one follows.
    private var newlines = ""
    /// Line ends that follow belong to the marker before them.
    private var dropsNewlines = false
    private var call: ToolCallParser?
    private let form: ToolForm?
    private var calls = CallDelivery()
    /// Everything received, markers included.
    public private(set) var raw = ""
    /// A call that could not be read, which was delivered as content instead.
    public private(set) var problem: String?

    public init(thinking: ThinkingStart, tools: ToolSet? = nil, form: ToolForm? = nil) {
        self.tools = tools
        self.form = tools?.callable.isEmpty == false ? form : nil
        part = switch thinking {
        case .absent: .content
        case .possible: .opening
        case .open: .reasoning
        }
        dropsNewlines = thinking == .open
    }

    public mutating func append(_ text: String) -> [AnswerEvent] {
        raw += text
        scanner.append(text)
        return advance()
    }

    /// Whether the text that comes next belongs to thinking.
    public var isThinking: Bool { part == .reasoning }

    /// Whether a call came for the third time, which is the end of the answer.
    public var isLooping: Bool { part == .loop }

    /// What was held back, at the end of the text.
    public mutating func finish() -> [AnswerEvent] {
        switch part {
        case .opening:
            part = .content
            return advance() + finish()
        case .reasoning: return events(scanner.takeAll()) { .reasoning($0) }
        case .content:
            let rest = newlines + scanner.takeAll()
            return (rest.isEmpty ? [] : [.content(rest)]) + calls.finish()
        case .call:
            guard var parser = call else { return [] }
            // Of what is held back, the rest may be half a marker, which would look like a difference.
            let rest = calls.isHeld ? [] : parser.finish(&scanner)
            return rest.flatMap { calls.add($0) } + calls.finish()
        case .betweenCalls: return calls.finish()
        case .loop: return []
        }
    }

    private mutating func advance() -> [AnswerEvent] {
        var events: [AnswerEvent] = []
        while let more = step() {
            events += more
            if scanner.held.isEmpty { break }
        }
        return events
    }

    /// One part's progress; nil when more text is needed.
    private mutating func step() -> [AnswerEvent]? {
        switch part {
        case .opening:
            switch scanner.take(Reasoning.open) {
            case nil: return nil
            case true?: enter(.reasoning)
            case false?: part = .content
            }
            return []
        case .reasoning:
            if let text = scanner.take(until: Reasoning.close) {
                let last = events(text) { .reasoning($0) }
                enter(.content)
                return last
            }
            return released(before: Reasoning.close) { .reasoning($0) }
        case .content:
            guard form != nil else {
                if dropsNewlines { scanner.dropNewlines() }
                dropsNewlines = dropsNewlines && scanner.held.isEmpty
                let text = scanner.takeAll()
                return text.isEmpty ? nil : [.content(text)]
            }
            if let text = scanner.take(until: ToolForm.open) {
                let last = events(text) { .content($0) }
                beginCall()
                return last
            }
            return released(before: ToolForm.open) { .content($0) }
        case .call: return callStep()
        case .loop: return nil
        case .betweenCalls:
            scanner.dropNewlines()
            switch scanner.take(ToolForm.open) {
            case nil: return nil
            case true?: beginCall()
            case false?: enter(.content)
            }
            return []
        }
    }

    private mutating func callStep() -> [AnswerEvent]? {
        guard var parser = call else { return nil }
        let step = parser.step(&scanner)
        call = parser
        switch step {
        case .needsMore: return nil
        case .pieces(let pieces): return pieces.flatMap { calls.add($0) }
        case .ended(let pieces):
            let last = pieces.flatMap { calls.add($0) } + calls.end()
            part = calls.isLoop ? .loop : .betweenCalls
            return last
        case .malformed(let text):
            problem = "a call could not be read; its text was delivered as content"
            enter(.content)
            dropsNewlines = false
            return calls.breakOff() + events(text) { .content($0) }
        }
    }

    private mutating func beginCall() {
        enter(.call)
        call = form.map { ToolCallParser($0, tools: tools) }
    }

    private mutating func enter(_ next: Part) {
        part = next
        newlines = ""
        dropsNewlines = true
    }

    private mutating func released(before marker: String, _ make: (String) -> AnswerEvent) -> [AnswerEvent]? {
        let text = scanner.takeReleased(before: marker)
        return text.isEmpty ? nil : events(text, make)
    }

    /// Text of a part, without the line ends that belong to the markers around it.
    private mutating func events(_ text: String, _ make: (String) -> AnswerEvent) -> [AnswerEvent] {
        var bytes = Array(newlines.utf8) + Array(text.utf8)
        if dropsNewlines { bytes.removeFirst(bytes.prefix { $0 == 0x0A }.count) }
        let tail = bytes.reversed().prefix { $0 == 0x0A }.count
        newlines = String(repeating: "\n", count: tail)
        bytes.removeLast(tail)
        guard !bytes.isEmpty else { return [] }
        dropsNewlines = false
        return [make(String(decoding: bytes, as: UTF8.self))]
    }
}
