// Ctrl-C: what is running stops, what was finished stays, and the command ends with status 130.
import Dispatch
import Glibc
import Synchronization

/// Ctrl-C as a call instead of a death, while this lives.
final class Interrupt {
    private let source: any DispatchSourceSignal

    init(_ action: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler(handler: action)
        source.resume()
    }

    deinit {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}

/// Runs `body` in a task that Ctrl-C cancels.
/// - Throws: `Failure.interrupted` when it did, whatever `body` made of that.
func withInterruption<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = Task { try await body() }
    let flag = InterruptFlag()
    let interrupt = Interrupt {
        flag.set()
        task.cancel()
    }
    defer { withExtendedLifetime(interrupt) {} }
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
