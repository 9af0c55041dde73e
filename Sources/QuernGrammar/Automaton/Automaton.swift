// The compiled grammar: deterministic rules over bytes, joined by calls into a pushdown automaton.
//
// Owns: nodes, byte edges and call edges of all rules, in flat arrays. Does not own: stacks (MatcherStates) or tokens.
// Invariants: from every node the end of its rule can be reached within `stackDepth`; no rule can call itself before a byte is
// consumed; so a matcher never gets stuck and never loops.

typealias NodeID = Int32

struct Automaton: Sendable {
    struct ByteEdge: Sendable {
        var low: UInt8
        var high: UInt8
        var to: NodeID
    }

    struct CallEdge: Sendable {
        /// First node of the called rule, and the node to go on from when it ends.
        var start: NodeID
        var back: NodeID
    }

    let root: NodeID
    /// Most rules that may be open at once.
    let stackDepth: Int
    let byteEdges: [ByteEdge]
    let byteStarts: [Int32]         // [nodes + 1]
    let callEdges: [CallEdge]
    let callStarts: [Int32]         // [nodes + 1]
    /// The rule may end here.
    let isFinal: [Bool]
    /// By node: rules that must be open at once, below its own, before its own can end.
    let neededDepths: [Int32]

    var nodeCount: Int { isFinal.count }

    func bytes(of node: NodeID) -> ArraySlice<ByteEdge> {
        byteEdges[Int(byteStarts[Int(node)])..<Int(byteStarts[Int(node) + 1])]
    }

    func calls(of node: NodeID) -> ArraySlice<CallEdge> {
        callEdges[Int(callStarts[Int(node)])..<Int(callStarts[Int(node) + 1])]
    }

    /// A node at which nothing but the end of the rule can follow.
    func isBareEnd(_ node: NodeID) -> Bool { isFinal[Int(node)] && bytes(of: node).isEmpty && calls(of: node).isEmpty }

    /// Number of bytes that may follow directly.
    func width(of node: NodeID) -> Int { bytes(of: node).reduce(0) { $0 + Int($1.high) - Int($1.low) + 1 } }
}
