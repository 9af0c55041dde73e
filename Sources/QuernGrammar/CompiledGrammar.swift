// A constraint ready for use: automaton, vocabulary and the masks of its widest nodes. Immutable, shared by any number of
// sequences; every sequence matches with a GrammarMatcher of its own.

public final class CompiledGrammar: Sendable {
    public let vocabulary: Vocabulary
    let automaton: Automaton
    /// Masks by node, of nodes that answers stay at for long, such as the inside of a string, and after which so many bytes may
    /// follow that walking the trie takes long.
    let masks: [NodeID: NodeMask]

    /// Nodes of the automaton.
    public var stateCount: Int { automaton.nodeCount }

    /// Bytes of memory held, for a cache's account.
    public var byteCount: Int {
        automaton.nodeCount * 24 + automaton.byteEdges.count * MemoryLayout<Automaton.ByteEdge>.stride
            + masks.values.reduce(0) { $0 + $1.inside.words.count * 8 + $1.exits.count * 4 }
    }

    /// - Complexity: some milliseconds per mask for a vocabulary of 150,000 tokens, at most `maxMasks` of them.
    init(_ automaton: Automaton, vocabulary: Vocabulary) {
        self.automaton = automaton
        self.vocabulary = vocabulary
        var masks: [NodeID: NodeMask] = [:]
        for node in 0..<NodeID(automaton.nodeCount) where masks.count < Self.maxMasks {
            guard automaton.width(of: node) >= Self.wide, automaton.bytes(of: node).contains(where: { $0.to == node }) else { continue }
            masks[node] = NodeMask(node, automaton, vocabulary)
        }
        self.masks = masks
    }

    private static let maxMasks = 8
    /// Bytes that may follow a wide node.
    static let wide = 128
}
