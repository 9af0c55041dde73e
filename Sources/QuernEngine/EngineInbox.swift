// The one door from the asynchronous world to the engine thread: a list under a mutex and a semaphore.
import Dispatch
import Synchronization

enum EngineCommand: Sendable {
    case submit(Submission)
    case cancel(UInt64)
    case drain
    /// Drain, and cut off what is live.
    case abandon
    /// Refuse who waits, and give back what no running sequence needs.
    case yieldMemory
    case logits(LogitsRequest)

    /// Tells whoever waits for it that nobody will do it.
    fileprivate func refuse() {
        switch self {
        case .submit(let submission): submission.sink.fail(.shuttingDown)
        case .logits(let request): request.answer(.failure(.shuttingDown))
        case .cancel, .drain, .abandon, .yieldMemory: break
        }
    }
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
    /// Nil once the engine thread has ended.
    private let commands = Mutex<[EngineCommand]?>([])
    private let arrival = DispatchSemaphore(value: 0)

    func post(_ command: EngineCommand) {
        let isOpen = commands.withLock { list in
            list?.append(command)
            return list != nil
        }
        if isOpen { arrival.signal() } else { command.refuse() }
    }

    /// Everything posted since the last call, in order. Empty most of the time; then nothing is allocated.
    func takeAll() -> [EngineCommand] {
        commands.withLock { list in
            guard let taken = list, !taken.isEmpty else { return [] }
            list = []
            return taken
        }
    }

    var isEmpty: Bool { commands.withLock { $0?.isEmpty ?? true } }

    /// Refuses what was posted and not taken, and everything from now on.
    func close() {
        let left = commands.withLock { list in
            defer { list = nil }
            return list ?? []
        }
        for command in left { command.refuse() }
    }

    /// Sleeps until a command arrives; may return early when commands were already taken.
    func waitForCommand() { arrival.wait() }
}
