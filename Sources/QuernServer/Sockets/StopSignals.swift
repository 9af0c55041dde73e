// SIGTERM and SIGINT, counted: the first asks for a graceful end, the next for an immediate one.
import Dispatch
import Glibc
import Synchronization

/// Listens while it lives.
final class StopSignals: @unchecked Sendable {      // the sources are only created and cancelled
    private let sources: [any DispatchSourceSignal]

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }

    /// - Parameter onSignal: called with 1 for the first signal, 2 for the second, …; when it returns true the process ends
    ///   with the signal's status.
    init(_ onSignal: @escaping @Sendable (Int) -> Bool) {
        let counter = Counter()
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if onSignal(counter.value.wrappingAdd(1, ordering: .relaxed).newValue) { _exit(128 + number) }
            }
            source.resume()
            return source
        }
    }

    deinit { for source in sources { source.cancel() } }
}
