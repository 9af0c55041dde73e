// The Sendable handle of a loaded model: submit token ids, receive token ids.
//
// Owns: the engine thread and its inbox. Does not own: text, sockets, files. All mutable inference state lives on the
// thread; a forward pass blocks for milliseconds and must never occupy a thread of the concurrency pool.
// Invariant: `submit` validates everything a client controls, so that the engine loop cannot fail for a client's reason.
import Foundation
import Glibc
import QuernCheckpoint
import QuernModel
import QuernTensor
import Synchronization

/// How a model is loaded.
public struct EngineOptions: Sendable {
    /// Kernel threads; nil takes what affinity and cgroup allow.
    public var threads: Int?
    /// Tokens of prompt plus completion a sequence may have; nil takes the model's, at most 8192.
    public var contextLength: Int?
    public var precision = Precision.int8
    /// Of weights that are quantised while loading; an archive has its own.
    public var weightBits = WeightBits.eight
    /// How keys and values are kept; f32 with `Precision.float32`, which is for checking.
    public var cacheFormat = KVFormat.half
    /// Sequences computed together.
    public var maxSequences = 8
    /// Prompt tokens computed in one step; nil takes 256.
    public var prefillChunk: Int?
    /// Requests that may wait, in all and of one owner.
    public var queueLimit = 512
    public var ownerQueueLimit = 128
    /// How long a request may wait to be started, those of batches excepted.
    public var queueTimeout = Duration.seconds(60)
    /// Memory for keys and values, in bytes; nil decides. Never less than one sequence of full length.
    public var cacheByteLimit: Int?
    /// Tokens the tokenizer knows; embedding rows beyond are padding, refused in prompts and never sampled. Nil: all rows.
    public var tokenCount: Int?
    /// Force a lower kernel set by name.
    public var instructionSet: String?

    public init() {}

    /// Memory that keys and values may take when nobody says otherwise: two GiB, on a machine with four times as much.
    public static var defaultCacheByteLimit: Int { min(2 << 30, Int(clamping: ProcessInfo.processInfo.physicalMemory / 4)) }
}

/// Arithmetic of the linear layers.
public enum Precision: String, Sendable, CaseIterable {
    /// Int8 weights, 16-bit activations.
    case int8
    /// The same, but with 8-bit activations into gate and up, more than half of a dense model's multiplications: faster prompts
    /// where the processor multiplies bytes, for half again the divergence.
    case int8Fast = "int8-fast"
    /// Through BLAS, for checking.
    case float32 = "f32"

    var gateInputBits: ActivationBits { self == .int8Fast ? .eight : .sixteen }
}

/// What loading decided.
public struct EngineInfo: Sendable {
    public let config: ModelConfig
    public let contextLength: Int
    /// Sequences computed together.
    public let maxSequences: Int
    /// Ids that prompts may hold and that can be generated: 0..<tokenCount.
    public let tokenCount: Int
    public let threads: Int
    public let instructionSet: String
    public let precision: Precision
    public let groupSize: Int?
    /// Weights one decode step reads.
    public let weightBytesPerStep: Int
    /// Those of them in the language-model head.
    public let headBytes: Int
    /// Weights of matrices that one decode step multiplies by, per token.
    public let weightsPerStep: Int
    /// Those of them in the language-model head.
    public let headWeights: Int
    public let cacheBytes: Int
    public let cacheFormat: KVFormat
}

public final class Engine: Sendable {
    public let info: EngineInfo
    private let inbox = EngineInbox()
    private let heartbeat = Heartbeat()
    private let nextID = Atomic<UInt64>(1)
    private let permits: QueuePermits
    private let snapshot: StatisticsBox
    private let stopped: ThreadExit

    /// Loads weights and starts the engine thread. Blocks until the model is ready.
    ///
    /// - Parameter progress: fraction of the weights loaded, 0...1, from the loading thread.
    public init(
        _ checkpoint: any Checkpoint, options: EngineOptions = EngineOptions(),
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) throws {
        // This one, and those of whoever compiles constraints for the model.
        try WorkerPool.require(threads: 3, for: checkpoint.displayName)
        let snapshot = StatisticsBox()
        let stopped = ThreadExit()
        let (inbox, heartbeat) = (inbox, heartbeat)
        let ready = Handshake()
        let thread = Thread {
            nameThread("quern.engine")
            do {
                let loaded = try EngineLoader.load(checkpoint, options: options, heartbeat: heartbeat, progress: progress)
                snapshot.set(loaded.loop.statistics())
                ready.succeed(loaded.info)
                loaded.loop.run(inbox) { snapshot.set($0) }
            } catch {
                ready.fail(error)
            }
            stopped.signal()
        }
        thread.stackSize = 8 << 20
        thread.start()
        permits = QueuePermits(limit: options.queueLimit, ownerLimit: options.ownerQueueLimit)
        info = try ready.wait()
        self.snapshot = snapshot
        self.stopped = stopped
    }

    deinit { inbox.post(.drain) }

    /// Bytes that loading `checkpoint` will take: weights, and keys and values of every sequence at full length. Reads no weights.
    public static func memoryEstimate(_ checkpoint: any Checkpoint, options: EngineOptions) throws -> Int {
        try EngineLoader.memoryEstimate(checkpoint, options)
    }

    /// Those of them that are weights.
    public static func weightEstimate(_ checkpoint: any Checkpoint, options: EngineOptions) -> Int {
        EngineLoader.weightEstimate(checkpoint, options)
    }

    /// Columns that share a scale once the engine has loaded it with integer weights.
    public static func groupSize(_ checkpoint: any Checkpoint, bits: WeightBits = .eight) -> Int {
        (checkpoint as? Archive)?.groupSize ?? GroupSize.automatic.resolved(for: checkpoint, bits: bits)
    }

    /// Tokens a sequence may have.
    /// - Throws: `EngineError` when `options` ask for more than the model allows.
    public static func contextLength(_ checkpoint: any Checkpoint, options: EngineOptions) throws -> Int {
        try EngineLoader.context(options, checkpoint.config)
    }

    /// Queues a request.
    ///
    /// - Throws: `EngineError` when the prompt is empty, too long or names a token outside the vocabulary, or when too many
    ///   requests wait already.
    /// - Returns: the request's id and its events; the stream ends after `finished` or `failed`. Dropping it cancels.
    public func submit(_ request: GenerationRequest) throws(EngineError) -> (id: UInt64, events: AsyncStream<GenerationEvent>) {
        try validate(request)
        let permit = try permits.take(owner: request.domain.owner)
        let id = nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        let (stream, sink) = AsyncStream.makeStream(of: GenerationEvent.self)
        sink.onTermination = { [inbox] reason in
            if case .cancelled = reason { inbox.post(.cancel(id)) }
        }
        let room = info.contextLength - request.prompt.count
        let maxTokens = request.pooling == nil ? min(request.maxTokens ?? room, room) : 0
        inbox.post(.submit(Submission(id: id, request: request, maxTokens: maxTokens, sink: sink, permit: permit)))
        return (id, stream)
    }

    /// What `submit` checks but for the queue.
    public func validate(_ request: GenerationRequest) throws(EngineError) {
        try validate(request.prompt)
        try request.guidance?.validate(tokenCount: info.tokenCount)
        let least = request.pooling != nil || request.maxTokens == 0 ? 0 : 1
        guard request.prompt.count <= info.contextLength - least else {
            throw .contextLengthExceeded(prompt: request.prompt.count, limit: info.contextLength)
        }
    }

    /// Ends a request at the next step; its stream reports `finished(.cancelled, …)`.
    public func cancel(_ id: UInt64) { inbox.post(.cancel(id)) }

    /// Finishes live sequences, refuses waiting and new ones and ends the thread; returns when it has ended.
    public func drain() async {
        inbox.post(.drain)
        await stopped.wait()
    }

    /// While memory is short who waits and who comes is refused, live sequences finish, and what is kept of finished ones goes back to
    /// the system. To be said again from time to time while it lasts: more becomes free as sequences finish.
    public func setMemoryShort(_ isShort: Bool) {
        permits.setMemoryShort(isShort)
        if isShort { inbox.post(.yieldMemory) }
    }

    /// Fails whatever is live or waiting, and refuses what comes.
    public func abandon() { inbox.post(.abandon) }

    /// Raw logits for `positions` of `tokens`, in ascending order of position. Needs an idle engine.
    public func logits(tokens: [TokenID], positions: Set<Int>) throws(EngineError) -> [[Float]] {
        try validate(tokens)
        guard tokens.count <= info.contextLength else {
            throw .contextLengthExceeded(prompt: tokens.count, limit: info.contextLength)
        }
        let answer = LogitsAnswer()
        inbox.post(.logits(LogitsRequest(tokens: tokens, positions: positions, answer: answer.set)))
        return try answer.wait()
    }

    /// Whether the engine thread gets on, for whoever looks at it again and again.
    public var pulse: EnginePulse { EnginePulse(count: heartbeat.count, isIdle: heartbeat.isResting && inbox.isEmpty) }

    /// The counters after the last step.
    public var statistics: EngineStatistics { snapshot.get() }

    private func validate(_ tokens: [TokenID]) throws(EngineError) {
        guard !tokens.isEmpty else { throw .emptyPrompt }
        let size = info.tokenCount
        for (index, token) in tokens.enumerated() where token < 0 || Int(token) >= size {
            throw .tokenOutOfRange(index: index, token: token, tokenCount: size)
        }
    }
}

/// What `top -H` and debuggers call this thread. Foundation keeps a thread's name to itself.
private func nameThread(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    _ = write(file, name, name.utf8.count)
    close(file)
}
