// Signals as calls instead of deaths.
//
// Invariant: no signal is lost. The handler is in place when `init` returns, and what comes before anybody listens is kept; a dispatch
// signal source is installed some time after it was asked for, and what comes before that is gone.
import Dispatch
import Glibc

/// Catches some signals while it lives; one at a time in a process.
public final class CaughtSignals: @unchecked Sendable {     // the source is set once, by whoever made this
    private let numbers: [Int32]
    private var source: (any DispatchSourceRead)?

    /// Signals from now on are kept until `forward` says what they do.
    public init(_ numbers: [Int32]) throws(SocketError) {
        self.numbers = numbers
        guard signalPipe.reader >= 0 else { throw .system("pipe for signals", reason: String(cString: strerror(errno))) }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(signalPipe.writer, &byte, 1)
            errno = saved
        }
        action.sa_flags = SA_RESTART
        for number in numbers { sigaction(number, &action, nil) }
    }

    /// - Parameter onSignal: called with every signal's number and how many there were, one after the other.
    public func forward(_ onSignal: @escaping @Sendable (_ number: Int32, _ count: Int) -> Void) {
        let source = DispatchSource.makeReadSource(fileDescriptor: signalPipe.reader, queue: DispatchQueue(label: "quern.signals"))
        let count = Counter()
        source.setEventHandler {
            var number: UInt8 = 0
            while read(signalPipe.reader, &number, 1) == 1 {
                count.value += 1
                onSignal(Int32(number), count.value)
            }
        }
        source.resume()
        self.source = source
    }

    deinit {
        for number in numbers { signal(number, SIG_DFL) }
        source?.cancel()
    }

    /// Touched by the source's serial queue alone.
    private final class Counter: @unchecked Sendable { var value = 0 }
}

/// What the handler writes into; it can capture nothing. Made before the first handler is installed and never closed.
private let signalPipe: (reader: Int32, writer: Int32) = {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return (-1, -1) }
    for end in ends {
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    return (ends[0], ends[1])
}()
