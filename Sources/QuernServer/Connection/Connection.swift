// What a request may know of the connection it came on: who is there, and whether they still are.
import Synchronization

final class Connection: Sendable {
    private struct State {
        var peer: PeerCredentials?
        var isClosed = false
        var onClose: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var peer: PeerCredentials? {
        get { state.withLock { $0.peer } }
        set { state.withLock { $0.peer = newValue } }
    }

    /// Runs `action` once when the peer is gone, at once when it is gone already. A connection answers one request at a time:
    /// the action of an earlier request is forgotten.
    func whenClosed(_ action: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.onClose = action }
            return state.isClosed
        }
        if isClosed { action() }
    }

    func close() {
        let action = state.withLock { state in
            state.isClosed = true
            defer { state.onClose = nil }
            return state.onClose
        }
        action?()
    }
}
