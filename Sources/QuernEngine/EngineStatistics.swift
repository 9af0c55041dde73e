// Counters of a running engine, copied out once per step.

/// A snapshot; totals count since the engine started.
public struct EngineStatistics: Sendable, Equatable {
    public var runningSequences = 0
    public var waitingSequences = 0
    public var promptTokens = 0
    /// Prompt tokens that a cached prefix saved.
    public var cachedTokens = 0
    public var generatedTokens = 0
    public var finishedSequences = 0
    public var steps = 0
    /// What those steps read, wrote and computed.
    public var work = EngineWork()
    public var preemptions = 0
    public var freeBlocks = 0
    /// Free blocks that hold a prefix to use again.
    public var cachedBlocks = 0
    public var blockCount = 0

    public init() {}
}

/// A sign of life. An engine that is not idle and whose count stays the same has stopped.
public struct EnginePulse: Sendable, Equatable {
    public let count: Int
    /// Nothing to do.
    public let isIdle: Bool
}
