// The blocks of running sequences, and what is kept of finished ones.
//
// Owns: the pool of blocks and the tree of prefixes that can be used again. Does not own: the bytes (KVStorage), whose turn it
// is (Scheduler). Invariant: every block is free in the pool, held by one sequence, or owned by one node of the tree; a node's
// block is never written again, so that sequences share it without locks.
import QuernTensor

/// The blocks of one sequence, in order of position: shared ones that the tree owns, then its own.
struct BlockHolding {
    /// The root of its domain, then the nodes of the first blocks, full ones only.
    fileprivate(set) var path: [PrefixTree.NodeID] = []
    fileprivate(set) var blocks: [BlockID] = []

    /// Blocks whose contents others can use.
    var sharedCount: Int { max(0, path.count - 1) }
}

struct BlockCache: ~Copyable {
    private static var size: Int { KVStorage.blockSize }

    private var pool: BlockPool
    private var prefixes: PrefixTree
    private let hasStates: Bool

    /// - Parameters:
    ///   - hasStates: the model has recurrent states, so that a prefix can be used again only where one was kept.
    ///   - snapshots: places to keep them.
    init(blockCount: Int, hasStates: Bool, snapshots: Range<Int>) {
        pool = BlockPool(blockCount: blockCount)
        prefixes = PrefixTree(blockSize: Self.size, snapshots: snapshots)
        self.hasStates = hasStates
    }

    var blockCount: Int { pool.blockCount }
    /// Blocks that a new sequence could have.
    var freeCount: Int { pool.freeCount + prefixes.unusedCount }
    /// Those of them that hold something to use again.
    var cachedCount: Int { prefixes.unusedCount }

    /// Blocks for `needed` tokens beginning with `tokens`, of which as many as possible are computed already; nil when too few
    /// blocks are free.
    ///
    /// - Parameter copy: copies the contents of a block, for a prefix that ends inside it.
    mutating func hold(
        _ tokens: ArraySlice<TokenID>, needed: Int, domain: CacheDomain, copy: (_ from: BlockID, _ to: BlockID) -> Void
    ) -> (holding: BlockHolding, computedCount: Int, snapshot: Int?)? {
        let found = prefixes.match(tokens, domain: domain)
        let (match, snapshot) = hasStates ? prefixes.resumable(found) : (match: found, snapshot: nil)
        var holding = BlockHolding(path: match.path)
        prefixes.retain(match.path)
        // The source of a copy must not be evicted to make room for the copy.
        let source = match.partial.map { [$0.node] } ?? []
        prefixes.retain(source)
        guard let own = allocate((needed + Self.size - 1) / Self.size - holding.sharedCount) else {
            prefixes.release(match.path + source)
            // The source may be the block that is missing; a sequence that needs the whole pool would wait for it for ever.
            guard match.partial != nil else { return nil }
            return hold(tokens.prefix(holding.sharedCount * Self.size), needed: needed, domain: domain, copy: copy)
        }
        holding.blocks = match.path.compactMap { prefixes.block(of: $0) } + own
        var computedCount = holding.sharedCount * Self.size
        if let (node, count) = match.partial, let block = prefixes.block(of: node), let target = own.first {
            copy(block, target)
            computedCount += count
        }
        prefixes.release(source)
        return (holding, computedCount, snapshot)
    }

    /// Lets others use the blocks that `computedCount` of `tokens` fill.
    ///
    /// - Parameter keep: copies the sequence's state, which is that after `computedCount` tokens, to a snapshot.
    mutating func share(_ holding: inout BlockHolding, tokens: [TokenID], computedCount: Int, keep: (_ snapshot: Int) -> Void) {
        while computedCount / Self.size > holding.sharedCount {
            let start = holding.sharedCount * Self.size
            guard let node = publish(holding, tokens[start..<(start + Self.size)]) else { return }
            prefixes.retain([node])
            holding.path.append(node)
        }
        guard hasStates, computedCount > 0, computedCount == holding.sharedCount * Self.size else { return }
        if let node = holding.path.last, let snapshot = prefixes.makeSnapshot(at: node) { keep(snapshot) }
    }

    /// Takes back all blocks. What was computed stays available, an unfinished last block included.
    mutating func release(_ holding: BlockHolding, tokens: [TokenID], computedCount: Int, keep: (_ snapshot: Int) -> Void) {
        var holding = holding
        share(&holding, tokens: tokens, computedCount: computedCount, keep: keep)
        var kept = Set(holding.path.compactMap { prefixes.block(of: $0) })
        let start = holding.sharedCount * Self.size
        if computedCount > start, let node = publish(holding, tokens[start..<computedCount]) {
            if let block = prefixes.block(of: node) { kept.insert(block) }
            // The tree may know a longer node that begins with these tokens; its end is not where this state belongs.
            if hasStates, prefixes.tokenCount(of: node) == computedCount - start, let snapshot = prefixes.makeSnapshot(at: node) {
                keep(snapshot)
            }
        }
        prefixes.release(holding.path)
        pool.release(holding.blocks.filter { !kept.contains($0) })
    }

    /// Blocks that hold nothing.
    var freeBlocks: [BlockID] { pool.free }

    /// Forgets everything that no sequence uses.
    mutating func clear() {
        while let block = prefixes.evict() { pool.release([block]) }
    }

    /// Offers the first block after the shared ones to the tree; the tree may know its contents already.
    private mutating func publish(_ holding: BlockHolding, _ tokens: ArraySlice<TokenID>) -> PrefixTree.NodeID? {
        guard let parent = holding.path.last, holding.sharedCount < holding.blocks.count else { return nil }
        var superseded: [BlockID] = []
        defer { pool.release(superseded) }
        return prefixes.insert(holding.blocks[holding.sharedCount], tokens: Array(tokens), under: parent) { superseded.append($0) }
    }

    /// Free blocks, where necessary taken from prefixes that nobody uses.
    private mutating func allocate(_ count: Int) -> [BlockID]? {
        guard count <= freeCount else { return nil }
        while pool.freeCount < count, let block = prefixes.evict() { pool.release([block]) }
        return pool.allocate(count)
    }
}
