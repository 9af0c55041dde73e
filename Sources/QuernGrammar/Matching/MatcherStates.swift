// States of the pushdown automaton, made as they are reached: a lazy deterministic automaton over threads.
//
// A thread is a node and a stack of nodes to return to; a state is the set of threads that the text so far allows. Stacks are
// shared linked lists. Owns: states, their rows of successors by byte, stacks. Invariants: a state's threads are closed under
// calls and returns; at most `maxThreads` are kept, which only ever narrows the language; number 0 is the dead state.

struct MatcherStates {
    struct Thread: Hashable {
        var node: NodeID
        var stack: Int32
    }

    static let dead: Int32 = 0
    static let maxThreads = 256
    private static let maxClosure = 16_384
    /// The empty stack: where it is popped, the text may end (or, below a token mask, the caller goes on).
    static let bottom: Int32 = 0
    private static let unknown: Int32 = -1

    private let automaton: Automaton
    private var returns: [NodeID] = [0]         // by stack: where to go on
    private var parents: [Int32] = [0]
    private var heights: [Int32] = [0]
    private var stackIndex: [Thread: Int32] = [:]
    private var threads: [[Thread]] = [[]]      // by state, sorted
    private var complete: [Bool] = [false]
    private var rows: [Int32] = Array(repeating: 0, count: 256)     // 256 successors by state
    private var stateIndex: [Closure: Int32] = [:]

    private struct Closure: Hashable {
        var threads: [Thread]
        var isComplete: Bool
    }

    init(_ automaton: Automaton) { self.automaton = automaton }

    /// Most open rules that any state has needed so far.
    private(set) var deepest = 0

    var count: Int { threads.count }

    func height(of stack: Int32) -> Int { Int(heights[Int(stack)]) }

    /// The state whose only thread is `node`, closed.
    mutating func state(at node: NodeID) -> Int32 { intern([Thread(node: node, stack: Self.bottom)]) }

    /// The state after the rule on top of `stack` ended.
    mutating func state(returningFrom stack: Int32) -> Int32 {
        intern([Thread(node: returns[Int(stack)], stack: parents[Int(stack)])])
    }

    /// The state of some threads.
    mutating func state(of threads: [Thread]) -> Int32 { intern(threads) }

    /// A state of another automaton's run, with copies of its stacks.
    mutating func state(copying other: MatcherStates, _ state: Int32) -> Int32 {
        intern(other.threads[Int(state)].map { thread in
            var nodes: [NodeID] = []
            var stack = thread.stack
            while stack != Self.bottom {
                nodes.append(other.returns[Int(stack)])
                stack = other.parents[Int(stack)]
            }
            return Thread(node: thread.node, stack: nodes.reversed().reduce(Self.bottom) { push($1, on: $0) })
        }, isComplete: other.complete[Int(state)])
    }

    func threads(of state: Int32) -> [Thread] { threads[Int(state)] }

    /// The text may end here.
    func isComplete(_ state: Int32) -> Bool { complete[Int(state)] }

    /// Whether nothing may follow.
    func isExhausted(_ state: Int32) -> Bool { threads[Int(state)].allSatisfy { automaton.bytes(of: $0.node).isEmpty } }

    /// The state after `byte`; `dead` when it may not follow.
    mutating func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        let slot = Int(state) << 8 | Int(byte)
        let known = rows[slot]
        if known != Self.unknown { return known }
        var reached: [Thread] = []
        for thread in threads[Int(state)] {
            for edge in automaton.bytes(of: thread.node) where edge.low <= byte && byte <= edge.high {
                if fits(edge.to, thread.stack) { reached.append(Thread(node: edge.to, stack: thread.stack)) }
            }
        }
        let next = reached.isEmpty ? Self.dead : intern(reached)
        rows[slot] = next
        return next
    }

    /// The only byte that may follow; nil when the text may end or there is a choice.
    func onlyByte(after state: Int32) -> UInt8? {
        guard !complete[Int(state)] else { return nil }
        var only: UInt8?
        for thread in threads[Int(state)] {
            for edge in automaton.bytes(of: thread.node) {
                guard edge.low == edge.high, only == nil || only == edge.low else { return nil }
                only = edge.low
            }
        }
        return only
    }

    /// - Parameter isComplete: known of roots that are closed already: finished threads are not kept.
    private mutating func intern(_ roots: [Thread], isComplete: Bool = false) -> Int32 {
        var closed = closure(roots)
        if isComplete { closed.isComplete = true }
        if let state = stateIndex[closed] { return state }
        let state = Int32(threads.count)
        stateIndex[closed] = state
        threads.append(closed.threads)
        complete.append(closed.isComplete)
        rows.append(contentsOf: repeatElement(Self.unknown, count: 256))
        return state
    }

    /// Adds the threads of called rules and of finished ones. Threads that only call or return are left out.
    private mutating func closure(_ roots: [Thread]) -> Closure {
        if roots.count == 1, automaton.calls(of: roots[0].node).isEmpty, !automaton.isFinal[Int(roots[0].node)] {
            return Closure(threads: roots, isComplete: false)
        }
        var seen = Set(roots)
        var pending = roots
        var result: [Thread] = []
        var isComplete = false
        func add(_ thread: Thread) {
            if seen.count < Self.maxClosure, seen.insert(thread).inserted { pending.append(thread) }
        }
        while let thread = pending.popLast() {
            if !automaton.bytes(of: thread.node).isEmpty { result.append(thread) }
            for call in automaton.calls(of: thread.node) {
                if automaton.isBareEnd(call.back) {
                    if fits(call.start, thread.stack) { add(Thread(node: call.start, stack: thread.stack)) }
                } else if fits(call.back, thread.stack) {
                    let stack = push(call.back, on: thread.stack)
                    if fits(call.start, stack) { add(Thread(node: call.start, stack: stack)) }
                }
            }
            guard automaton.isFinal[Int(thread.node)] else { continue }
            if thread.stack == Self.bottom {
                isComplete = true
            } else {
                add(Thread(node: returns[Int(thread.stack)], stack: parents[Int(thread.stack)]))
            }
        }
        result.sort { ($0.node, $0.stack) < ($1.node, $1.stack) }
        if result.count > Self.maxThreads { result.removeLast(result.count - Self.maxThreads) }
        return Closure(threads: result, isComplete: isComplete)
    }

    /// Whether the rules below `stack` can still end within the automaton's depth when `node` is entered.
    private mutating func fits(_ node: NodeID, _ stack: Int32) -> Bool {
        let depth = Int(heights[Int(stack)] + automaton.neededDepths[Int(node)])
        deepest = max(deepest, depth)
        return depth <= automaton.stackDepth
    }

    private mutating func push(_ node: NodeID, on stack: Int32) -> Int32 {
        let key = Thread(node: node, stack: stack)
        if let known = stackIndex[key] { return known }
        let new = Int32(returns.count)
        returns.append(node)
        parents.append(stack)
        heights.append(heights[Int(stack)] + 1)
        stackIndex[key] = new
        return new
    }
}
