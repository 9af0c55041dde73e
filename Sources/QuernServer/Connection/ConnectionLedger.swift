// How many connections are open, in all and per user.
import Synchronization

final class ConnectionLedger: Sendable {
    private struct State {
        var total = 0
        var perUser: [UInt32: Int] = [:]
    }

    private let limit: Int
    private let limitPerUser: Int
    private let state = Mutex(State())

    init(limit: Int, limitPerUser: Int) {
        self.limit = limit
        self.limitPerUser = limitPerUser
    }

    /// Counts a connection in; false when it is one too many, and then it is not counted.
    func enter(_ user: UInt32?) -> Bool {
        state.withLock { state in
            guard state.total < limit else { return false }
            if let user {
                guard state.perUser[user, default: 0] < limitPerUser else { return false }
                state.perUser[user, default: 0] += 1
            }
            state.total += 1
            return true
        }
    }

    func leave(_ user: UInt32?) {
        state.withLock { state in
            state.total -= 1
            guard let user, let count = state.perUser[user] else { return }
            state.perUser[user] = count > 1 ? count - 1 : nil
        }
    }
}
