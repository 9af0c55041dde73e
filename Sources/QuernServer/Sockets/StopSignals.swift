// SIGTERM and SIGINT, counted: the first asks for a graceful end, the next for an immediate one.
//
// Invariant: no signal is lost. The handler is in place when `init` returns, so a daemon that listens only afterwards ends
// however early it is told to; a dispatch signal source is installed some time after it was asked for, and what comes before
// that is gone.
import Dispatch
import Glibc

/// Listens from its creation to the end of the process; one in a process.
final class StopSignals: @unchecked Sendable {      // the source is set once, by the thread that serves
    private let reader: Int32
    private var source: (any DispatchSourceRead)?

    /// Signals from now on are kept until `forward` says what they do.
    init() throws(SocketError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system("pipe for signals", reason: String(cString: strerror(errno))) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        reader = ends[0]
        signalWriter = ends[1]
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(signalWriter, &byte, 1)
            errno = saved
        }
        action.sa_flags = SA_RESTART
        for number in [SIGTERM, SIGINT] { sigaction(number, &action, nil) }
    }

    /// - Parameter onSignal: called with 1 for the first signal, 2 for the second, …; when it returns true the process ends
    ///   with the signal's status.
    func forward(_ onSignal: @escaping @Sendable (Int) -> Bool) {
        let source = DispatchSource.makeReadSource(fileDescriptor: reader, queue: DispatchQueue(label: "quern.signals"))
        let count = Counter()
        source.setEventHandler { [reader] in
            var number: UInt8 = 0
            while read(reader, &number, 1) == 1 {
                count.value += 1
                if onSignal(count.value) { _exit(128 + Int32(number)) }
            }
        }
        source.resume()
        self.source = source
    }

    /// Touched by the source's serial queue alone.
    private final class Counter: @unchecked Sendable { var value = 0 }
}

/// Where the handler writes; it can capture nothing. Set before the handler is installed.
nonisolated(unsafe) private var signalWriter: Int32 = -1
