// Ctrl-C: what is running stops, what was finished stays, and the command ends with status 130.
import Glibc
import QuernServer
import Synchronization

/// Runs `body` in a task that Ctrl-C cancels.
/// - Throws: `Failure.interrupted` when it did, whatever `body` made of that.
func withInterruption<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let interrupts = try CaughtSignals([SIGINT])
    let task = Task { try await body() }
    let flag = InterruptFlag()
    interrupts.forward { _, _ in
        flag.set()
        task.cancel()
    }
    defer { withExtendedLifetime(interrupts) {} }
    let outcome = await task.result
    if flag.isSet { throw Failure.interrupted }
    return try outcome.get()
}

/// Set once by Ctrl-C.
final class InterruptFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}
