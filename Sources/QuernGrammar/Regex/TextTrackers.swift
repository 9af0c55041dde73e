// The conditions of a TextAutomaton, each as a small deterministic machine over scalars.

protocol TextTracker {
    /// Sets whose members the machine tells from other scalars.
    var sets: [ScalarSet] { get }
    var start: Int32 { get }
    func accepts(_ state: Int32) -> Bool
    /// The next state; negative when the condition can no longer hold.
    mutating func step(_ state: Int32, _ scalar: UInt32, meter: inout Meter) throws(GrammarError) -> Int32
}

struct LengthTracker: TextTracker {
    let minimum: Int
    let maximum: Int?

    var sets: [ScalarSet] { [] }
    var start: Int32 { 0 }
    func accepts(_ state: Int32) -> Bool { state >= minimum }

    func step(_ state: Int32, _ scalar: UInt32, meter: inout Meter) -> Int32 {
        if let maximum { return state < maximum ? state + 1 : -1 }
        return min(state + 1, Int32(clamping: minimum))     // longer than the minimum is all the same
    }
}

/// Words that the text must not be, or must not hold (Knuth, Morris and Pratt's automaton, as sets of positions).
struct WordTracker: TextTracker {
    enum Mode { case differs, avoids }

    private struct Position: Hashable {
        var word: Int
        var offset: Int
    }

    private let words: [[UInt32]]
    private let mode: Mode
    private var states: [Set<Position>] = []
    private var index: [Set<Position>: Int32] = [:]
    let start: Int32 = 0

    init(_ words: [String], mode: Mode) {
        self.words = words.map { $0.unicodeScalars.map(\.value) }
        self.mode = mode
        _ = intern(Set(self.words.indices.map { Position(word: $0, offset: 0) }))
    }

    var sets: [ScalarSet] { Set(words.joined()).map { ScalarSet($0) } }

    func accepts(_ state: Int32) -> Bool {
        mode == .avoids || !states[Int(state)].contains { $0.offset == words[$0.word].count }
    }

    mutating func step(_ state: Int32, _ scalar: UInt32, meter: inout Meter) throws(GrammarError) -> Int32 {
        var next: Set<Position> = []
        for position in states[Int(state)] where position.offset < words[position.word].count {
            try meter.charge()
            if words[position.word][position.offset] == scalar {
                next.insert(Position(word: position.word, offset: position.offset + 1))
            }
        }
        if mode == .avoids {
            if next.contains(where: { $0.offset == words[$0.word].count }) { return -1 }
            for word in words.indices { next.insert(Position(word: word, offset: 0)) }
        }
        return intern(next)
    }

    private mutating func intern(_ state: Set<Position>) -> Int32 {
        if let known = index[state] { return known }
        states.append(state)
        index[state] = Int32(states.count - 1)
        return Int32(states.count - 1)
    }
}

/// A regular expression by subset construction, one subset at a time.
struct PatternTracker: TextTracker {
    private let nfa: ExpressionNFA
    private let outgoing: [[Int]]       // edge indices by state
    private let isSearch: Bool
    private var states: [[Int32]] = []
    private var accepting: [Bool] = []
    private var index: [[Int32]: Int32] = [:]
    let start: Int32 = 0

    init(_ nfa: ExpressionNFA, isSearch: Bool) {
        self.nfa = nfa
        self.isSearch = isSearch
        var outgoing = [[Int]](repeating: [], count: nfa.stateCount)
        for (index, edge) in nfa.edges.enumerated() { outgoing[edge.from].append(index) }
        self.outgoing = outgoing
        // Not in the index: at the start `^` holds, and no later state is the same one.
        let first = closure([nfa.start], isStart: true)
        states = [first]
        accepting = [reaches(first, isStart: true)]
    }

    var sets: [ScalarSet] {
        nfa.edges.compactMap { edge in
            if case .scalars(let set) = edge.label { set } else { nil }
        }
    }

    func accepts(_ state: Int32) -> Bool { accepting[Int(state)] }

    mutating func step(_ state: Int32, _ scalar: UInt32, meter: inout Meter) throws(GrammarError) -> Int32 {
        // A search that has matched stays matched: the rest of the text is free.
        if isSearch && states[Int(state)].contains(Int32(nfa.end)) { return state }
        var targets: [Int] = []
        for from in states[Int(state)] {
            for index in outgoing[Int(from)] {
                try meter.charge()
                if case .scalars(let set) = nfa.edges[index].label, set.contains(scalar) { targets.append(nfa.edges[index].to) }
            }
        }
        if isSearch { targets.append(nfa.start) }
        guard !targets.isEmpty else { return -1 }
        let next = closure(targets, isStart: false)
        try meter.charge(next.count)
        return intern(next)
    }

    private mutating func intern(_ state: [Int32]) -> Int32 {
        if let known = index[state] { return known }
        states.append(state)
        accepting.append(reaches(state, isStart: false))
        index[state] = Int32(states.count - 1)
        return Int32(states.count - 1)
    }

    /// States reachable without a scalar, ascending; `^` holds only at the start, `$` not yet.
    private func closure(_ roots: [Int], isStart: Bool) -> [Int32] {
        follow(roots) { label in label == .epsilon || (isStart && label == .start) }.sorted()
    }

    /// Whether the text may end here: now `$` holds, and `^` where the text is empty.
    private func reaches(_ state: [Int32], isStart: Bool) -> Bool {
        follow(state.map(Int.init)) { label in
            label == .epsilon || label == .end || (isStart && label == .start)
        }.contains(Int32(nfa.end))
    }

    private func follow(_ roots: [Int], _ passes: (ExpressionNFA.Label) -> Bool) -> Set<Int32> {
        var seen = Set(roots.map { Int32($0) })
        var pending = roots
        while let from = pending.popLast() {
            for index in outgoing[from] where passes(nfa.edges[index].label) {
                if seen.insert(Int32(nfa.edges[index].to)).inserted { pending.append(nfa.edges[index].to) }
            }
        }
        return seen
    }
}
