// How many requests may wait for admission, in all and of one owner; asked before anything is queued, on any thread.
//
// Owns: the counts. Does not own: the queue, which lives on the engine thread. Invariant: a request holds a permit from submission
// until it is started for the first time or forgotten; the permit counts itself out when its last reference goes.
import Synchronization

final class QueuePermits: Sendable {
    private struct Counts {
        var isMemoryShort = false
        var total = 0
        var ofOwner: [UInt32: Int] = [:]
    }

    private let limit: Int
    private let ownerLimit: Int
    private let counts = Mutex(Counts())

    init(limit: Int, ownerLimit: Int) {
        self.limit = limit
        self.ownerLimit = ownerLimit
    }

    /// While it is, no permit is given.
    func setMemoryShort(_ isShort: Bool) { counts.withLock { $0.isMemoryShort = isShort } }

    /// - Throws: `EngineError.queueFull`, `ownerQueueFull` or `memoryShort`.
    func take(owner: UInt32) throws(EngineError) -> QueuePermit {
        try counts.withLock { counts throws(EngineError) in
            guard !counts.isMemoryShort else { throw .memoryShort }
            guard counts.total < limit else { throw .queueFull(limit: limit) }
            guard counts.ofOwner[owner, default: 0] < ownerLimit else { throw .ownerQueueFull(limit: ownerLimit) }
            counts.total += 1
            counts.ofOwner[owner, default: 0] += 1
        }
        return QueuePermit(self, owner: owner)
    }

    fileprivate func giveBack(owner: UInt32) {
        counts.withLock { counts in
            counts.total -= 1
            let left = counts.ofOwner[owner, default: 1] - 1
            counts.ofOwner[owner] = left > 0 ? left : nil
        }
    }
}

final class QueuePermit: Sendable {
    private let permits: QueuePermits
    private let owner: UInt32

    fileprivate init(_ permits: QueuePermits, owner: UInt32) {
        self.permits = permits
        self.owner = owner
    }

    deinit { permits.giveBack(owner: owner) }
}
