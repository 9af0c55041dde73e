// Which KV blocks are free. Bookkeeping only: no bytes, no pointers, so that it can be tested exhaustively.
//
// Invariant: every block is either free or held by exactly one owner; allocation is all or nothing.

/// Index of a block of 128 token positions.
package struct BlockID: Hashable, Sendable {
    package let index: Int32
}

package struct BlockPool: ~Copyable {
    package let blockCount: Int
    package private(set) var free: [BlockID]
    private var isHeld: [Bool]

    package init(blockCount: Int) {
        precondition(blockCount > 0 && blockCount <= Int(Int32.max))
        self.blockCount = blockCount
        free = (0..<Int32(blockCount)).reversed().map { BlockID(index: $0) }
        isHeld = Array(repeating: false, count: blockCount)
    }

    package var freeCount: Int { free.count }

    /// `count` blocks, or nil when fewer are free; never a part of them.
    package mutating func allocate(_ count: Int) -> [BlockID]? {
        precondition(count >= 0)
        guard count <= free.count else { return nil }
        let blocks = Array(free.suffix(count).reversed())
        free.removeLast(count)
        for block in blocks { isHeld[Int(block.index)] = true }
        return blocks
    }

    /// Returns blocks so that the last, a prefix's tail, is reused first.
    package mutating func release(_ blocks: [BlockID]) {
        for block in blocks {
            precondition(isHeld[Int(block.index)], "block released twice")
            isHeld[Int(block.index)] = false
            free.append(block)
        }
    }
}
