// Requests that wait for a slot, and whose turn it is.
//
// Order: an owner who runs nothing beside others who do; then the priority class, where waiting raises a request by one class per
// `ageing`; then the owner with the fewest running sequences; then first come, first served. Invariant: a sequence that was
// interrupted comes before everything of its class.
import DequeModule

/// How urgent a request is.
public enum Priority: Int, Sendable, Comparable, CaseIterable {
    case batch, normal, interactive

    public static func < (a: Priority, b: Priority) -> Bool { a.rawValue < b.rawValue }
}

struct AdmissionQueue {
    /// Time of waiting that makes up for one class.
    static let ageing = Duration.seconds(20)

    private var waiting: Deque<SequenceState> = []

    var count: Int { waiting.count }
    var isEmpty: Bool { waiting.isEmpty }
    subscript(index: Int) -> SequenceState { waiting[index] }

    mutating func append(_ sequence: SequenceState) { waiting.append(sequence) }

    /// Puts back a sequence that was interrupted.
    mutating func prepend(_ sequence: SequenceState) { waiting.prepend(sequence) }

    /// Index of the next request; nil when none waits. O(waiting + running).
    func next(now: ContinuousClock.Instant, running: [SequenceState]) -> Int? {
        let shares = Dictionary(running.map { ($0.request.domain.owner, 1) }, uniquingKeysWith: +)
        var best: (index: Int, rank: Int, share: Int)?
        for (index, sequence) in waiting.enumerated() {
            let share = shares[sequence.request.domain.owner] ?? 0
            let isLeftOut = share == 0 && !running.isEmpty && sequence.request.priority > .batch
            let rank = Self.rank(sequence, now: now) + (isLeftOut ? Priority.allCases.count : 0)
            if let best, (best.rank, -best.share) >= (rank, -share) { continue }
            best = (index, rank, share)
        }
        return best?.index
    }

    mutating func remove(at index: Int) -> SequenceState { waiting.remove(at: index) }

    mutating func remove(id: UInt64) -> SequenceState? {
        waiting.firstIndex { $0.id == id }.map { waiting.remove(at: $0) }
    }

    /// Takes out the first request that has waited too long. Batch work has no hurry and interrupted work has begun.
    mutating func removeExpired(now: ContinuousClock.Instant, limit: Duration) -> SequenceState? {
        let index = waiting.firstIndex { $0.request.priority > .batch && $0.started == nil && now - $0.waitingSince > limit }
        return index.map { waiting.remove(at: $0) }
    }

    /// Takes `time` off everybody's waiting.
    mutating func excuse(_ time: Duration, now: ContinuousClock.Instant) {
        for index in waiting.indices { waiting[index].waitingSince = min(now, waiting[index].waitingSince + time) }
    }

    /// Takes out the first request that was never started.
    mutating func removeUnstarted() -> SequenceState? {
        waiting.firstIndex { $0.started == nil }.map { waiting.remove(at: $0) }
    }

    mutating func removeFirst() -> SequenceState? { waiting.popFirst() }

    private static func rank(_ sequence: SequenceState, now: ContinuousClock.Instant) -> Int {
        let aged = Int((now - sequence.waitingSince) / ageing)
        return min(Priority.interactive.rawValue, sequence.request.priority.rawValue + aged)
    }
}
