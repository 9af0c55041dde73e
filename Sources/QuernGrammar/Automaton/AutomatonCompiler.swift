// From rules with nondeterministic edges to an Automaton: subset construction rule by rule, then the checks that make
// matching safe.
//
// Owns: determinism, reachability, left recursion. Invariant: worklists instead of recursion; states charge the meter.

struct AutomatonCompiler {
    private struct Node {
        var isFinal = false
        var bytes: [Automaton.ByteEdge] = []
        var calls: [(rule: RuleID, back: NodeID)] = []
    }

    private let builder: GrammarBuilder
    private var meter: Meter
    private var nodes: [Node] = []
    private var starts: [NodeID?]               // by rule
    private let outgoing: [[Int32]]             // edge indices by builder state
    private let hasEpsilon: [Bool]              // by builder state

    /// - Throws: `tooComplex`; `invalid` when no text is possible or a rule calls itself before it consumes anything.
    ///   The pointer is empty: automata do not know what they were made from.
    static func compile(_ builder: GrammarBuilder) throws(GrammarError) -> Automaton {
        var compiler = AutomatonCompiler(builder)
        try compiler.determinize()
        try compiler.rejectLeftRecursion()
        return compiler.assemble(try compiler.neededDepths())
    }

    private init(_ builder: GrammarBuilder) {
        self.builder = builder
        meter = builder.meter
        meter.restartStates()
        starts = Array(repeating: nil, count: builder.rules.count)
        var outgoing = [[Int32]](repeating: [], count: builder.stateCount)
        var hasEpsilon = [Bool](repeating: false, count: builder.stateCount)
        for (index, edge) in builder.edges.enumerated() {
            outgoing[Int(edge.from)].append(Int32(index))
            if edge.label == .epsilon { hasEpsilon[Int(edge.from)] = true }
        }
        self.outgoing = outgoing
        self.hasEpsilon = hasEpsilon
    }

    // MARK: Subset construction

    private mutating func determinize() throws(GrammarError) {
        var pending: [RuleID] = [0]
        var isQueued = [Bool](repeating: false, count: builder.rules.count)
        isQueued[0] = true
        while let rule = pending.popLast() {
            let first = nodes.count
            starts[Int(rule)] = try determinize(rule)
            for node in nodes[first...] {
                for call in node.calls where !isQueued[Int(call.rule)] {
                    isQueued[Int(call.rule)] = true
                    pending.append(call.rule)
                }
            }
        }
    }

    private mutating func determinize(_ rule: RuleID) throws(GrammarError) -> NodeID {
        var known: [[StateID]: NodeID] = [:]
        var subsets: [[StateID]] = []
        let base = nodes.count
        let end = builder[rule].end

        func node(_ targets: [StateID]) throws(GrammarError) -> NodeID {
            let subset = try closure(targets)
            if let node = known[subset] { return node }
            try meter.chargeState()
            known[subset] = NodeID(nodes.count)
            subsets.append(subset)
            nodes.append(Node(isFinal: subset.contains(end)))
            return NodeID(nodes.count - 1)
        }

        let start = try node([builder[rule].start])
        var next = 0
        while next < subsets.count {
            var ranges: [Automaton.ByteEdge] = []
            var calls: [RuleID: [StateID]] = [:]
            for state in subsets[next] {
                for index in outgoing[Int(state)] {
                    let edge = builder.edges[Int(index)]
                    switch edge.label {
                    case .epsilon: break
                    case .bytes(let low, let high): ranges.append(Automaton.ByteEdge(low: low, high: high, to: edge.to))
                    case .call(let rule): calls[rule, default: []].append(edge.to)
                    }
                }
            }
            try meter.charge(ranges.count)
            for (targets, low, high) in Self.segments(ranges) {
                let target = try node(targets)
                nodes[base + next].bytes.append(Automaton.ByteEdge(low: low, high: high, to: target))
            }
            for (rule, targets) in calls.sorted(by: { $0.key < $1.key }) {
                let target = try node(targets)
                nodes[base + next].calls.append((rule, target))
            }
            next += 1
        }
        return start
    }

    /// States reachable without a byte or a call, ascending.
    private mutating func closure(_ roots: [StateID]) throws(GrammarError) -> [StateID] {
        if roots.count == 1, !hasEpsilon[Int(roots[0])] { return roots }
        var seen = Set(roots)
        var pending = Array(seen)
        while let state = pending.popLast() {
            for index in outgoing[Int(state)] where builder.edges[Int(index)].label == .epsilon {
                try meter.charge()
                let target = builder.edges[Int(index)].to
                if seen.insert(target).inserted { pending.append(target) }
            }
        }
        return seen.sorted()
    }

    /// Cuts overlapping ranges into disjoint ones, each with all its targets; neighbours with equal targets are joined.
    private static func segments(_ ranges: [Automaton.ByteEdge]) -> [(targets: [StateID], low: UInt8, high: UInt8)] {
        let sorted = ranges.sorted { $0.low < $1.low }
        if zip(sorted, sorted.dropFirst()).allSatisfy({ $0.high < $1.low }) {
            return sorted.reduce(into: []) { result, range in
                if let last = result.last, Int(last.high) == Int(range.low) - 1, last.targets == [range.to] {
                    result[result.count - 1].high = range.high
                } else {
                    result.append(([range.to], range.low, range.high))
                }
            }
        }
        var targets = [[StateID]](repeating: [], count: 256)
        for range in ranges {
            for byte in range.low...range.high { targets[Int(byte)].append(range.to) }
        }
        var result: [(targets: [StateID], low: UInt8, high: UInt8)] = []
        for byte in 0..<256 where !targets[byte].isEmpty {
            if let last = result.last, Int(last.high) == byte - 1, last.targets == targets[byte] {
                result[result.count - 1].high = UInt8(byte)
            } else {
                result.append((targets[byte], UInt8(byte), UInt8(byte)))
            }
        }
        return result
    }

    // MARK: Checks

    /// For every node, how many rules must be open at once to reach the end of its own; `unreachable` beyond the limit.
    ///
    /// Knuth's generalisation of Dijkstra's algorithm: nodes are settled in order of their depth.
    private mutating func neededDepths() throws(GrammarError) -> [Int] {
        var before = [[NodeID]](repeating: [], count: nodes.count)                          // byte predecessors
        var returning = [[(caller: NodeID, rule: RuleID)]](repeating: [], count: nodes.count)
        var callers = [[(caller: NodeID, back: NodeID)]](repeating: [], count: nodes.count) // by first node of the rule
        for (index, node) in nodes.enumerated() {
            try meter.charge(1 + node.bytes.count + node.calls.count)
            for edge in node.bytes { before[Int(edge.to)].append(NodeID(index)) }
            for call in node.calls {
                returning[Int(call.back)].append((NodeID(index), call.rule))
                callers[Int(start(call.rule))].append((NodeID(index), call.back))
            }
        }
        var depths = [Int](repeating: Self.unreachable, count: nodes.count)
        var buckets = [[NodeID]](repeating: [], count: meter.limits.stackDepth + 1)
        func settle(_ node: NodeID, _ depth: Int) {
            guard depth < depths[Int(node)], depth < buckets.count else { return }
            depths[Int(node)] = depth
            buckets[depth].append(node)
        }
        func settle(caller: NodeID, start: NodeID, back: NodeID) {
            guard depths[Int(start)] != Self.unreachable, depths[Int(back)] != Self.unreachable else { return }
            settle(caller, max(depths[Int(start)] + (isBareEnd(back) ? 0 : 1), depths[Int(back)]))
        }
        for (index, node) in nodes.enumerated() where node.isFinal { settle(NodeID(index), 0) }
        for depth in buckets.indices {
            while let node = buckets[depth].popLast() {
                guard depths[Int(node)] == depth else { continue }
                for previous in before[Int(node)] { settle(previous, depth) }
                for (caller, rule) in returning[Int(node)] { settle(caller: caller, start: start(rule), back: node) }
                for (caller, back) in callers[Int(node)] { settle(caller: caller, start: node, back: back) }
                try meter.charge(1 + before[Int(node)].count + returning[Int(node)].count + callers[Int(node)].count)
            }
        }
        guard depths[Int(start(0))] != Self.unreachable else {
            throw GrammarError(.invalid, "no text satisfies this constraint with at most \(meter.limits.stackDepth) open rules")
        }
        return depths
    }

    private static let unreachable = Int.max

    /// The first node of a rule; every rule that is called was made deterministic.
    private func start(_ rule: RuleID) -> NodeID { starts[Int(rule)] ?? 0 }

    private func isBareEnd(_ node: NodeID) -> Bool {
        nodes[Int(node)].isFinal && nodes[Int(node)].bytes.isEmpty && nodes[Int(node)].calls.isEmpty
    }

    /// Nodes that can end their rule without a byte.
    private mutating func nullableNodes() throws(GrammarError) -> [Bool] {
        var isNullable = nodes.map(\.isFinal)
        var isChanging = nodes.contains { !$0.calls.isEmpty }
        while isChanging {
            isChanging = false
            for (index, node) in nodes.enumerated() where !isNullable[index] && !node.calls.isEmpty {
                try meter.charge(node.calls.count)
                let ends = node.calls.contains { call in
                    isNullable[Int(start(call.rule))] && isNullable[Int(call.back)]
                }
                if ends {
                    isNullable[index] = true
                    isChanging = true
                }
            }
        }
        return isNullable
    }

    private mutating func rejectLeftRecursion() throws(GrammarError) {
        let isNullable = try nullableNodes()
        // Rules that can be entered from the start of a rule before a byte is consumed.
        var entered = [[RuleID]](repeating: [], count: builder.rules.count)
        for (rule, start) in starts.enumerated() {
            guard let start else { continue }
            var seen: Set<NodeID> = [start]
            var pending = [start]
            while let node = pending.popLast() {
                for call in nodes[Int(node)].calls {
                    try meter.charge()
                    entered[rule].append(call.rule)
                    if isNullable[Int(self.start(call.rule))], seen.insert(call.back).inserted { pending.append(call.back) }
                }
            }
        }
        // Depth-first search for a cycle, with an explicit stack.
        enum Mark { case new, open, done }
        var marks = [Mark](repeating: .new, count: builder.rules.count)
        for rule in marks.indices where marks[rule] == .new {
            var stack = [(rule: rule, next: 0)]
            marks[rule] = .open
            while let top = stack.last {
                try meter.charge()
                guard top.next < entered[top.rule].count else {
                    marks[top.rule] = .done
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].next += 1
                let target = Int(entered[top.rule][top.next])
                switch marks[target] {
                case .open:
                    throw GrammarError(.invalid, "rule '\(excerpt(builder.rules[target].name))' calls itself before it consumes anything")
                case .new:
                    marks[target] = .open
                    stack.append((target, 0))
                case .done: break
                }
            }
        }
    }

    // MARK: Assembly

    private func assemble(_ depths: [Int]) -> Automaton {
        var byteEdges: [Automaton.ByteEdge] = []
        var callEdges: [Automaton.CallEdge] = []
        var byteStarts: [Int32] = [0]
        var callStarts: [Int32] = [0]
        for node in nodes {
            for edge in node.bytes where depths[Int(edge.to)] != Self.unreachable { byteEdges.append(edge) }
            for call in node.calls where depths[Int(call.back)] != Self.unreachable {
                let start = start(call.rule)
                if depths[Int(start)] != Self.unreachable {
                    callEdges.append(Automaton.CallEdge(start: start, back: call.back))
                }
            }
            byteStarts.append(Int32(byteEdges.count))
            callStarts.append(Int32(callEdges.count))
        }
        return Automaton(
            root: start(0), stackDepth: meter.limits.stackDepth, byteEdges: byteEdges, byteStarts: byteStarts,
            callEdges: callEdges, callStarts: callStarts, isFinal: nodes.map(\.isFinal),
            neededDepths: depths.map { Int32(clamping: $0) })
    }
}
