// Which computed blocks can be used again: a tree of token blocks, one node per block of the pool.
//
// Owns: the nodes and who uses them. Does not own: the free blocks (BlockPool), the bytes (KVStorage). A node is found by the
// tokens themselves, never by a hash of them, so that a hit is always right. Every domain has a tree of its own: what one user
// asked never shows in another's timings.
// Invariants: whoever uses a node uses its ancestors, the root included; only unused leaves are evicted, so a prefix loses its
// tail first; nodes that are not full are leaves; a root without users and children is gone; a snapshot is the recurrent state
// after exactly the tokens up to the end of its node.

/// Who shares computed prefixes: requests of one user with the same salt.
public struct CacheDomain: Hashable, Sendable {
    public var owner: UInt32
    /// What the client chose to keep its requests apart.
    public var salt: [UInt8]

    public init(owner: UInt32 = 0, salt: [UInt8] = []) {
        self.owner = owner
        self.salt = salt
    }
}

package struct PrefixTree: ~Copyable {
    /// Index of a node; meaningful until the node is evicted, which never happens while it is used.
    package typealias NodeID = Int
    /// Place of a kept recurrent state.
    package typealias SnapshotID = Int

    private struct Node {
        var block: BlockID?     // nil for a root
        var tokens: [TokenID]
        var parent: NodeID?
        var children: [NodeID] = []
        var users = 0
        var lastUse: UInt64 = 0
        /// A kept copy of the recurrent state after this node's tokens.
        var snapshot: SnapshotID?
    }

    private let blockSize: Int
    private var nodes: [Node?] = []
    private var freeNodes: [NodeID] = []
    private var roots: [CacheDomain: NodeID] = [:]
    private var domains: [NodeID: CacheDomain] = [:]
    private var clock: UInt64 = 0
    /// Blocks that could be evicted, leaves first.
    package private(set) var unusedCount = 0

    private var freeSnapshots: [SnapshotID]

    /// - Parameter snapshots: places for recurrent states, for models that have one.
    package init(blockSize: Int, snapshots: Range<SnapshotID> = 0..<0) {
        self.blockSize = blockSize
        freeSnapshots = Array(snapshots.reversed())
    }

    /// What of a token sequence is there already.
    package struct Match {
        /// The domain's root, then full nodes from the beginning on.
        package var path: [NodeID]
        /// A further node of which only the first `count` tokens agree: its block must be copied.
        package var partial: (node: NodeID, count: Int)?
    }

    /// The longest part of `tokens` that `domain` has computed. Retain the path before anything else happens to the tree.
    /// O(blocks x siblings).
    package mutating func match(_ tokens: ArraySlice<TokenID>, domain: CacheDomain) -> Match {
        var parent = root(of: domain)
        var match = Match(path: [parent])
        var rest = tokens
        while !rest.isEmpty {
            var best: (node: NodeID, count: Int)?
            for child in nodes[parent]?.children ?? [] {
                let count = commonPrefix(nodes[child]?.tokens ?? [], rest)
                if count > best?.count ?? 0 { best = (child, count) }
            }
            guard let best else { return match }
            guard best.count == blockSize else {
                match.partial = best
                return match
            }
            match.path.append(best.node)
            parent = best.node
            rest = rest.dropFirst(blockSize)
        }
        return match
    }

    /// The block of a node; nil for a root.
    package func block(of node: NodeID) -> BlockID? { nodes[node]?.block }

    package func tokenCount(of node: NodeID) -> Int { nodes[node]?.tokens.count ?? 0 }
    package func snapshot(of node: NodeID) -> SnapshotID? { nodes[node]?.snapshot }

    /// The deepest part of a match that a recurrent model can resume: one that ends where a state was kept.
    package func resumable(_ match: Match) -> (match: Match, snapshot: SnapshotID?) {
        var match = match
        if let (node, count) = match.partial, count == tokenCount(of: node), let snapshot = snapshot(of: node) {
            return (match, snapshot)
        }
        match.partial = nil
        while match.path.count > 1, let last = match.path.last {
            if let snapshot = snapshot(of: last) { return (match, snapshot) }
            match.path.removeLast()
        }
        return (match, nil)
    }

    /// A place to keep the state after `node`, if need be that of the snapshot whose node was used longest ago; nil when the node
    /// has one already or there are none. O(nodes).
    package mutating func makeSnapshot(at node: NodeID) -> SnapshotID? {
        guard nodes[node] != nil, nodes[node]?.snapshot == nil else { return nil }
        if freeSnapshots.isEmpty { dropOldestSnapshot() }
        guard let snapshot = freeSnapshots.popLast() else { return nil }
        nodes[node]?.snapshot = snapshot
        return snapshot
    }

    /// Of nodes in use only when all are.
    private mutating func dropOldestSnapshot() {
        var oldest: (id: NodeID, isUsed: Bool, use: UInt64)?
        for (id, node) in nodes.enumerated() {
            guard let node, node.snapshot != nil else { continue }
            let isUsed = node.users > 0
            guard let best = oldest else {
                oldest = (id, isUsed, node.lastUse)
                continue
            }
            if (isUsed ? 1 : 0, node.lastUse) < (best.isUsed ? 1 : 0, best.use) { oldest = (id, isUsed, node.lastUse) }
        }
        guard let oldest, let snapshot = nodes[oldest.id]?.snapshot else { return }
        nodes[oldest.id]?.snapshot = nil
        freeSnapshots.append(snapshot)
    }

    /// Marks nodes as used by one more sequence.
    package mutating func retain(_ path: [NodeID]) {
        for id in path {
            if nodes[id]?.users == 0, nodes[id]?.block != nil { unusedCount -= 1 }
            nodes[id]?.users += 1
        }
    }

    /// Ends a use. The deepest node comes first in line for eviction.
    package mutating func release(_ path: [NodeID]) {
        for id in path.reversed() {
            guard let users = nodes[id]?.users else { continue }
            precondition(users > 0, "node released twice")
            clock += 1
            nodes[id]?.users = users - 1
            nodes[id]?.lastUse = clock
            guard users == 1 else { continue }
            if nodes[id]?.block != nil { unusedCount += 1 }
            removeIfAbandoned(id)
        }
    }

    /// Adds the computed tokens of one block under `parent`, which is in use. The new node has no user yet.
    ///
    /// - Parameter freed: receives the blocks of unused leaves that the new node makes superfluous.
    /// - Returns: the new node, which owns the block from now on; or the node that holds these tokens already, in another block.
    package mutating func insert(_ block: BlockID, tokens: [TokenID], under parent: NodeID, freed: (BlockID) -> Void) -> NodeID {
        precondition(!tokens.isEmpty && tokens.count <= blockSize)
        for child in nodes[parent]?.children ?? [] {
            guard let known = nodes[child] else { continue }
            if known.tokens.starts(with: tokens) { return child }
            if tokens.starts(with: known.tokens), known.users == 0, let superseded = known.block {
                remove(child)
                freed(superseded)
            }
        }
        clock += 1
        let id = add(Node(block: block, tokens: tokens, parent: parent, lastUse: clock))
        nodes[parent]?.children.append(id)
        unusedCount += 1
        return id
    }

    /// Gives up the unused leaf that was used longest ago. O(nodes).
    package mutating func evict() -> BlockID? {
        var oldest: (id: NodeID, use: UInt64)?
        for (id, node) in nodes.enumerated() {
            guard let node, node.block != nil, node.users == 0, node.children.isEmpty else { continue }
            if node.lastUse < oldest?.use ?? .max { oldest = (id, node.lastUse) }
        }
        guard let oldest, let block = nodes[oldest.id]?.block else { return nil }
        remove(oldest.id)
        return block
    }

    private mutating func remove(_ id: NodeID) {
        let parent = nodes[id]?.parent
        if nodes[id]?.block != nil { unusedCount -= 1 }
        if let snapshot = nodes[id]?.snapshot { freeSnapshots.append(snapshot) }
        nodes[id] = nil
        freeNodes.append(id)
        guard let parent else { return }
        nodes[parent]?.children.removeAll { $0 == id }
        removeIfAbandoned(parent)
    }

    private mutating func removeIfAbandoned(_ id: NodeID) {
        guard let node = nodes[id], node.block == nil, node.users == 0, node.children.isEmpty else { return }
        if let domain = domains.removeValue(forKey: id) { roots[domain] = nil }
        remove(id)
    }

    private mutating func root(of domain: CacheDomain) -> NodeID {
        if let root = roots[domain] { return root }
        let id = add(Node(block: nil, tokens: [], parent: nil))
        roots[domain] = id
        domains[id] = domain
        return id
    }

    private mutating func add(_ node: Node) -> NodeID {
        if let id = freeNodes.popLast() {
            nodes[id] = node
            return id
        }
        nodes.append(node)
        return nodes.count - 1
    }

    private func commonPrefix(_ a: [TokenID], _ b: ArraySlice<TokenID>) -> Int {
        var count = 0
        for (x, y) in zip(a, b) {
            guard x == y else { break }
            count += 1
        }
        return count
    }
}
