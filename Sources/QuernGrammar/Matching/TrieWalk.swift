// Which tokens of a vocabulary a state allows: the trie and the automaton walked together.
//
// A subtree is skipped at the first byte that may not follow. Tokens that leave the rule at the bottom of the stack are not
// decided here: the node of the trie at which they leave is reported, and whoever knows the stack goes on from there (the
// split of tokens into context-independent and context-dependent ones is XGrammar's, arXiv 2411.15100).

extension MatcherStates {
    /// Sets the bits of tokens below `node` of the trie that `state` allows, where `state` is reached at that node.
    mutating func walk(_ vocabulary: Vocabulary, below node: Int, from state: Int32, into mask: inout TokenMask) {
        walk(vocabulary, below: node, from: state, into: &mask) { _ in }
    }

    /// The same; `exit` receives every node at which the text may end and tokens go on.
    mutating func walk(
        _ vocabulary: Vocabulary, below node: Int, from state: Int32, into mask: inout TokenMask, exit: (Int32) -> Void
    ) {
        precondition(mask.tokenCount >= vocabulary.tokenCount)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: Vocabulary.maxTokenBytes + 1) { path in
            path.initialize(repeating: MatcherStates.dead)
            path[Int(vocabulary.depths[node])] = state
            mask.withWords { words in
                vocabulary.withTrie { trie in
                    let end = Int(trie.skip[node])
                    var index = node + 1
                    while index < end {
                        let depth = Int(trie.depths[index])
                        let reached = next(path[depth - 1], trie.bytes[index])
                        let following = Int(trie.skip[index])
                        guard reached != MatcherStates.dead else {
                            index = following
                            continue
                        }
                        path[depth] = reached
                        for position in Int(trie.tokenStarts[index])..<Int(trie.tokenStarts[index + 1]) {
                            let token = Int(trie.tokens[position])
                            words[token >> 6] |= 1 << UInt64(token & 63)
                        }
                        if following > index + 1, isComplete(reached) { exit(Int32(index)) }
                        index += 1
                    }
                }
            }
        }
    }
}

/// What one node allows whatever the stack below it: computed when a grammar is compiled, shared by all its matchers.
struct NodeMask: Sendable {
    /// Tokens that stay inside the node's rule, or end with it.
    let inside: TokenMask
    /// Nodes of the trie at which a token leaves the rule and goes on.
    let exits: [Int32]
    /// Open rules these tokens need above the node's own.
    let depth: Int

    init(_ node: NodeID, _ automaton: Automaton, _ vocabulary: Vocabulary) {
        var states = MatcherStates(automaton)
        var mask = TokenMask(tokenCount: vocabulary.tokenCount)
        var exits: [Int32] = []
        let start = states.state(at: node)
        states.walk(vocabulary, below: 0, from: start, into: &mask) { exits.append($0) }
        inside = mask
        self.exits = exits
        depth = states.deepest
    }
}
