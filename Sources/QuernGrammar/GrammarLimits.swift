// How much work a client's grammar may cause, and the account of it.
//
// Owns: the limits and the meter that compilation charges. Invariant: every loop whose length a client controls charges the
// meter, so that a hostile document ends in `tooComplex` or `cancelled`, never in a stall.
import Glibc

public struct GrammarLimits: Sendable, Hashable {
    /// Bytes of a schema, regular expression or grammar.
    public var sourceBytes = 256 << 10
    /// Nesting of groups in regular expressions and grammars.
    public var nesting = 256
    public var rules = 16_384
    /// States of the automaton, before and after it is made deterministic.
    public var states = 100_000
    /// Largest count in `{m,n}`, `minItems` and `minLength`; larger upper bounds are enforced as this one.
    public var repetitions = 2_000
    /// Alternatives one schema may have after `allOf` and `anyOf` are multiplied out.
    public var alternatives = 4_096
    /// Of a processor: what is compiled beside other work is refused no sooner, but after ten times as long by the clock.
    public var compileTime = Duration.seconds(2)
    /// Open rules while matching, such as brackets.
    public var stackDepth = 256

    public init() {}
}

/// Charges work against the limits of one compilation, which begins and ends on one thread.
struct Meter {
    let limits: GrammarLimits
    private let processorDeadline: Duration
    private let deadline: ContinuousClock.Instant
    private var work = 0
    private(set) var states = 0

    init(_ limits: GrammarLimits) {
        self.limits = limits
        processorDeadline = Self.processorTime + limits.compileTime
        deadline = .now + limits.compileTime * 10
    }

    /// Counts one unit of work; looks at the clock and at cancellation now and then.
    mutating func charge(_ amount: Int = 1) throws(GrammarError) {
        let before = work
        work &+= amount
        guard work >> 12 != before >> 12 else { return }
        if Task.isCancelled { throw GrammarError(.cancelled, "compilation was cancelled") }
        if Self.processorTime > processorDeadline || .now > deadline {
            throw GrammarError(.tooComplex, "compilation took longer than \(limits.compileTime) of a processor or \(limits.compileTime * 10) in all")
        }
    }

    /// What this thread has used.
    private static var processorTime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// Counts one state.
    mutating func chargeState() throws(GrammarError) {
        states += 1
        guard states <= limits.states else {
            throw GrammarError(.tooComplex, "the automaton has more than \(limits.states) states")
        }
        try charge(8)
    }

    /// Deterministic states are counted afresh: the limit bounds each form of the automaton.
    mutating func restartStates() { states = 0 }
}
