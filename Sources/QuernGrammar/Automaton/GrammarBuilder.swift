// The intermediate representation: rules, each a nondeterministic automaton over bytes whose edges may also call a rule.
//
// Owns: states and edges of all rules while a source is translated. Does not own: where they come from (schemas, regular
// expressions, grammars) or how they are made deterministic (Automaton).
// Invariant: an edge never leaves its rule; a rule has one start and one end.

typealias StateID = Int32
typealias RuleID = Int32

struct GrammarBuilder {
    enum Label: Hashable {
        case epsilon
        case bytes(UInt8, UInt8)        // inclusive
        case call(RuleID)
    }

    struct Edge {
        var from: StateID
        var label: Label
        var to: StateID
    }

    struct Rule {
        var name: String
        var start: StateID
        var end: StateID
    }

    private(set) var rules: [Rule] = []
    private(set) var edges: [Edge] = []
    private(set) var stateCount = 0
    var meter: Meter

    init(limits: GrammarLimits) { meter = Meter(limits) }

    /// A rule without edges. The first rule made is the root.
    mutating func rule(_ name: String) throws(GrammarError) -> RuleID {
        guard rules.count < meter.limits.rules else {
            throw GrammarError(.tooComplex, "the grammar has more than \(meter.limits.rules) rules")
        }
        rules.append(Rule(name: name, start: try state(), end: try state()))
        return RuleID(rules.count - 1)
    }

    subscript(rule: RuleID) -> Rule { rules[Int(rule)] }

    mutating func state() throws(GrammarError) -> StateID {
        try meter.chargeState()
        stateCount += 1
        return StateID(stateCount - 1)
    }

    mutating func epsilon(_ from: StateID, _ to: StateID) throws(GrammarError) { try edge(from, .epsilon, to) }

    mutating func call(_ rule: RuleID, _ from: StateID, _ to: StateID) throws(GrammarError) { try edge(from, .call(rule), to) }

    mutating func bytes(_ low: UInt8, _ high: UInt8, _ from: StateID, _ to: StateID) throws(GrammarError) {
        try edge(from, .bytes(low, high), to)
    }

    private mutating func edge(_ from: StateID, _ label: Label, _ to: StateID) throws(GrammarError) {
        try meter.charge()
        edges.append(Edge(from: from, label: label, to: to))
    }

    /// Exactly these bytes, in order.
    mutating func literal(_ text: some Collection<UInt8>, _ from: StateID, _ to: StateID) throws(GrammarError) {
        var current = from
        var left = text.count
        if left == 0 { try epsilon(from, to) }
        for byte in text {
            left -= 1
            let next = left == 0 ? to : try state()
            try bytes(byte, byte, current, next)
            current = next
        }
    }

    mutating func literal(_ text: String, _ from: StateID, _ to: StateID) throws(GrammarError) {
        try literal(Array(text.utf8), from, to)
    }

    /// Any one scalar of `set`, in UTF-8. Sequences share the states of their common ends.
    mutating func scalars(_ set: ScalarSet, _ from: StateID, _ to: StateID) throws(GrammarError) {
        var tails: [[ClosedRange<UInt8>]: StateID] = [[]: to]
        for range in set.ranges {
            for sequence in utf8Sequences(range) {
                for first in sequence.indices.reversed() {
                    let tail = Array(sequence[(first + 1)...])
                    guard let next = tails[tail] else { continue }      // made in the round before
                    if first == 0 {
                        try bytes(sequence[0].lowerBound, sequence[0].upperBound, from, next)
                    } else if tails[Array(sequence[first...])] == nil {
                        let state = try state()
                        tails[Array(sequence[first...])] = state
                        try bytes(sequence[first].lowerBound, sequence[first].upperBound, state, next)
                    }
                }
            }
        }
    }
}
