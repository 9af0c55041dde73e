// A computation on another thread, for code that cannot suspend.
import Dispatch
import Synchronization

/// Starts at once; `value` waits for the result.
final class Background<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Value) {
        DispatchQueue.global().async { [self] in
            let result = Result { try body() }
            outcome.withLock { $0 = result }
            done.signal()
        }
    }

    /// The result; blocks until it is there. Ask once.
    func value() throws -> Value? {
        done.wait()
        return try outcome.withLock { $0 }?.get()
    }
}
