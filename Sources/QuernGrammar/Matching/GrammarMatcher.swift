// Where one sequence stands in its grammar.
//
// Owns: the states this sequence has reached, which are rebuilt from the current one when they take too much memory. Does not
// own: the grammar's shared masks. Invariants: a token that the mask allows is accepted; after every accepted token either the
// text may end or some byte may follow.

public struct GrammarMatcher {
    public let grammar: CompiledGrammar
    private var states: MatcherStates
    private var state: Int32
    /// About 1 KiB each.
    private static let maxStates = 8_192

    public init(_ grammar: CompiledGrammar) {
        self.grammar = grammar
        states = MatcherStates(grammar.automaton)
        state = states.state(at: grammar.automaton.root)
    }

    /// The text so far satisfies the constraint as a whole.
    public var isComplete: Bool { states.isComplete(state) }

    /// Nothing may follow.
    public var isExhausted: Bool { states.isExhausted(state) }

    /// Sets exactly the bits of tokens that may come next.
    ///
    /// - Precondition: `mask` has the vocabulary's size.
    /// - Complexity: tens of microseconds where the grammar has masks for the current nodes, else a walk of the part of the
    ///   vocabulary that may follow.
    public mutating func fill(_ mask: inout TokenMask) {
        mask.clear()
        var rest: [MatcherStates.Thread] = []
        for thread in states.threads(of: state) {
            guard let known = grammar.masks[thread.node],
                states.height(of: thread.stack) + known.depth <= grammar.automaton.stackDepth
            else {
                rest.append(thread)
                continue
            }
            mask.formUnion(known.inside)
            guard thread.stack != MatcherStates.bottom, !known.exits.isEmpty else { continue }
            let caller = states.state(returningFrom: thread.stack)
            for exit in known.exits { states.walk(grammar.vocabulary, below: Int(exit), from: caller, into: &mask) }
        }
        guard !rest.isEmpty else { return }
        states.walk(grammar.vocabulary, below: 0, from: states.state(of: rest), into: &mask)
    }

    /// Many tokens may come next, so that asking `allows` of a few is cheaper than a mask of all.
    public var isWide: Bool {
        states.threads(of: state).contains { grammar.automaton.width(of: $0.node) >= CompiledGrammar.wide }
    }

    /// Whether a token may come next.
    public mutating func allows(_ token: Int32) -> Bool {
        let bytes = grammar.vocabulary.bytes(of: token)
        var reached = state
        for byte in bytes {
            reached = states.next(reached, byte)
            if reached == MatcherStates.dead { return false }
        }
        return !bytes.isEmpty
    }

    /// Moves on by a token; false, without moving, when it may not come next or has no text.
    public mutating func accept(_ token: Int32) -> Bool {
        let bytes = grammar.vocabulary.bytes(of: token)
        return !bytes.isEmpty && accept(bytes)
    }

    /// Moves on by bytes; false, without moving, when they may not come next.
    public mutating func accept(_ bytes: some Collection<UInt8>) -> Bool {
        var reached = state
        for byte in bytes {
            reached = states.next(reached, byte)
            if reached == MatcherStates.dead { return false }
        }
        state = reached
        if states.count > Self.maxStates { shrink() }
        return true
    }

    /// Tokens that must come next, as far as they are certain: the longest ones that spell the bytes without alternative.
    /// The last is left out where a longer token could cover it and what follows.
    ///
    /// - Parameter limit: most tokens to return.
    public mutating func forcedTokens(limit: Int) -> [Int32] {
        var run: [UInt8] = []
        var ahead = state
        while run.count < 4 * Vocabulary.maxTokenBytes, let byte = states.onlyByte(after: ahead) {
            let next = states.next(ahead, byte)
            if next == MatcherStates.dead { break }
            run.append(byte)
            ahead = next
        }
        // What is written so far may merge with whatever follows, unless nothing follows.
        let isOpen = !states.isExhausted(ahead)
        let vocabulary = grammar.vocabulary
        var forced: [Int32] = []
        var position = 0
        while position < run.count, forced.count < limit {
            var node = 0
            var best: (token: Int32, end: Int)?
            var index = position
            while index < run.count, let child = vocabulary.child(of: node, run[index]) {
                node = child
                index += 1
                let own = Int(vocabulary.tokenStarts[node])
                if own < Int(vocabulary.tokenStarts[node + 1]) { best = (vocabulary.tokens[own], index) }
            }
            let mayGrow = isOpen && index == run.count && Int(vocabulary.skip[node]) > node + 1
            guard let best, !mayGrow else { break }
            forced.append(best.token)
            position = best.end
        }
        return forced
    }

    /// Starts over with the current state alone.
    private mutating func shrink() {
        var fresh = MatcherStates(grammar.automaton)
        state = fresh.state(copying: states, state)
        states = fresh
    }
}
