// The models that one request uses, until its answer has been written.
import Synchronization

final class Leases: Sendable {
    private let held = Mutex<[ModelLease]>([])

    func add(_ lease: ModelLease) { held.withLock { $0.append(lease) } }

    func end() async {
        let all = held.withLock { leases in
            defer { leases = [] }
            return leases
        }
        for lease in all { await lease.end() }
    }
}
