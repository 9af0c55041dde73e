// Encoders at rest: the one used last is handed out first, because its caches are warm.
//
// Invariant: an encoder is either here or with exactly one caller. At most `capacity` rest here; a burst of threads beyond
// that builds encoders that are dropped afterwards.
import Synchronization

final class EncoderPool: Sendable {
    private static let capacity = 4

    /// An encoder on its way between threads: only ever in one place.
    private struct Resting: @unchecked Sendable { let encoder: Encoder }

    private let tables: EncodingTables
    private let resting = Mutex<[Resting]>([])

    private let cachesSegments: Bool

    init(_ tables: EncodingTables, cachesSegments: Bool) {
        self.tables = tables
        self.cachesSegments = cachesSegments
    }

    func withEncoder<Result>(_ body: (Encoder) -> Result) -> Result {
        let taken = resting.withLock { $0.popLast() } ?? Resting(encoder: Encoder(tables, usesSegmentCache: cachesSegments))
        defer { resting.withLock { if $0.count < Self.capacity { $0.append(taken) } } }
        return body(taken.encoder)
    }
}
