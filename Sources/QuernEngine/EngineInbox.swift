// The one door from the asynchronous world to the engine thread: a list under a mutex and a semaphore.
import Dispatch
import Synchronization

enum EngineCommand: Sendable {
    case submit(Submission)
    case cancel(UInt64)
    case drain
    case logits(LogitsRequest)
}

/// A validated request on its way to the queue.
struct Submission: Sendable {
    let id: UInt64
    let request: GenerationRequest
    let maxTokens: Int
    let sink: GenerationSink
    let permit: QueuePermit
}

/// A request for raw logits of some positions of a token sequence; answered on the engine thread.
struct LogitsRequest: Sendable {
    let tokens: [TokenID]
    let positions: Set<Int>
    let answer: @Sendable (Result<[[Float]], EngineError>) -> Void
}

final class EngineInbox: Sendable {
    private let commands = Mutex<[EngineCommand]>([])
    private let arrival = DispatchSemaphore(value: 0)

    func post(_ command: EngineCommand) {
        commands.withLock { $0.append(command) }
        arrival.signal()
    }

    /// Everything posted since the last call, in order. Empty most of the time; then nothing is allocated.
    func takeAll() -> [EngineCommand] {
        commands.withLock { list in
            guard !list.isEmpty else { return [] }
            defer { list = [] }
            return list
        }
    }

    /// Sleeps until a command arrives; may return early when commands were already taken.
    func waitForCommand() { arrival.wait() }
}
