// Expressions with groups, alternatives and counts as a nondeterministic automaton over scalars, built without recursion.
//
// Both regular expressions and grammar rules are read left to right into an `ExpressionStack`; nesting is an explicit stack.
// Invariant: every fragment occupies contiguous states and edges, so that a counted repetition is a copy with an offset.

struct ExpressionNFA {
    enum Label: Hashable {
        case epsilon
        case scalars(ScalarSet)
        case call(RuleID)
        /// Only before the first scalar, only after the last.
        case start, end
    }

    struct Edge {
        var from: Int
        var label: Label
        var to: Int
    }

    var edges: [Edge] = []
    var stateCount = 0
    var start = 0
    var end = 0
}

struct ExpressionStack {
    private struct Fragment {
        let start: Int
        var end: Int
        let firstState: Int
        let firstEdge: Int
    }

    private struct Group {
        /// Where its states and edges begin.
        let start: Int
        let firstEdge: Int
        /// States at which alternatives that are already read end.
        var ends: [Int] = []
        /// Start of the alternative being read, and its last item, to which a quantifier applies.
        var current: Int
        var last: Fragment?
        let offset: Int
    }

    private var nfa = ExpressionNFA()
    private var groups: [Group] = []
    private let limits: GrammarLimits

    init(limits: GrammarLimits) {
        self.limits = limits
        let state = newState()
        groups = [Group(start: state, firstEdge: 0, current: state, offset: 0)]
    }

    var isNested: Bool { groups.count > 1 }
    /// Whether a quantifier has something to apply to.
    var canRepeat: Bool { top.last != nil }

    private var top: Group {
        get { groups[groups.count - 1] }
        _modify { yield &groups[groups.count - 1] }
    }

    private mutating func newState() -> Int {
        nfa.stateCount += 1
        return nfa.stateCount - 1
    }

    private mutating func add(_ from: Int, _ label: ExpressionNFA.Label, _ to: Int) {
        nfa.edges.append(ExpressionNFA.Edge(from: from, label: label, to: to))
    }

    /// One item; `.start` and `.end` cannot be repeated.
    mutating func atom(_ label: ExpressionNFA.Label, meter: inout Meter) throws(GrammarError) {
        try sequence([label], meter: &meter)
        if label == .start || label == .end { top.last = nil }
    }

    /// Items in order that count as one, such as a quoted string.
    mutating func sequence(_ labels: [ExpressionNFA.Label], meter: inout Meter) throws(GrammarError) {
        let fragmentStart = newState()
        var fragment = Fragment(start: fragmentStart, end: fragmentStart, firstState: fragmentStart, firstEdge: nfa.edges.count)
        try meter.chargeState()
        for label in labels {
            try meter.chargeState()
            let next = newState()
            add(fragment.end, label, next)
            fragment.end = next
        }
        append(fragment)
    }

    private mutating func append(_ fragment: Fragment) {
        add(top.current, .epsilon, fragment.start)
        top.current = fragment.end
        top.last = fragment
    }

    mutating func open(at offset: Int) throws(GrammarError) {
        guard groups.count <= limits.nesting else {
            throw GrammarError(.tooComplex, "nesting deeper than \(limits.nesting)", byteOffset: offset)
        }
        let firstEdge = nfa.edges.count
        let state = newState()
        groups.append(Group(start: state, firstEdge: firstEdge, current: state, offset: offset))
    }

    mutating func alternative() {
        top.ends.append(top.current)
        let state = newState()
        add(top.start, .epsilon, state)
        top.current = state
        top.last = nil
    }

    /// - Precondition: `isNested`.
    mutating func close() {
        let group = groups.removeLast()
        let end = newState()
        for state in group.ends + [group.current] { add(state, .epsilon, end) }
        append(Fragment(start: group.start, end: end, firstState: group.start, firstEdge: group.firstEdge))
    }

    /// Makes the last item occur `minimum` to `maximum` times; nil for any number.
    ///
    /// - Precondition: `canRepeat`.
    mutating func repeatLast(_ minimum: Int, _ maximum: Int?, meter: inout Meter) throws(GrammarError) {
        guard let item = top.last, let entry = nfa.edges.last?.from else { return }
        // The item becomes a template, and what precedes it is connected to its copies instead.
        let edges = Array(nfa.edges[item.firstEdge..<(nfa.edges.count - 1)])
        let stateCount = nfa.stateCount - item.firstState
        nfa.edges.removeSubrange(item.firstEdge...)
        nfa.stateCount = item.firstState
        let start = newState()
        var current = start
        var exits: [Int] = []
        let copies = maximum ?? max(minimum, 1)
        for copy in 0..<copies {
            if copy >= minimum { exits.append(current) }
            let offset = nfa.stateCount - item.firstState
            nfa.stateCount += stateCount
            for _ in 0..<stateCount { try meter.chargeState() }
            for edge in edges { add(edge.from + offset, edge.label, edge.to + offset) }
            add(current, .epsilon, item.start + offset)
            if maximum == nil && copy == copies - 1 { add(item.end + offset, .epsilon, item.start + offset) }
            current = item.end + offset
        }
        let end = newState()
        for state in exits + [current] { add(state, .epsilon, end) }
        top.current = entry
        append(Fragment(start: start, end: end, firstState: start, firstEdge: item.firstEdge))
        top.last = nil      // a quantifier does not follow another
    }

    /// - Throws: when a group is still open, with its offset.
    mutating func finish() throws(GrammarError) -> ExpressionNFA {
        guard groups.count == 1 else {
            throw GrammarError(.invalid, "this group is not closed", byteOffset: top.offset)
        }
        let end = newState()
        for state in top.ends + [top.current] { add(state, .epsilon, end) }
        nfa.start = top.start
        nfa.end = end
        return nfa
    }
}
