// What forward passes read, write and compute, in integers.
//
// Owns: running totals over all sequences. Does not own: time, or what the work would mean elsewhere (QuernPlanner). Keys and
// values of a sequence count once per step, however many of its tokens look at them; weights once per step, the head once per
// batch of logits, an expert when a token chose it. Invariant: counting neither allocates nor touches a floating-point number.
import QuernModel
import QuernTensor

/// What an engine did since it was started; the difference of two says what it did in between.
public struct EngineWork: Sendable, Equatable {
    public var weightBytesRead = 0
    /// Keys, values and recurrent states.
    public var stateBytesRead = 0
    public var stateBytesWritten = 0
    /// Steps in which sequences took a single token each, and how many those were: decoding.
    public var decodeSteps = 0
    public var decodedTokens = 0
    /// Positions those tokens looked at, their own included.
    public var decodedPositions = 0
    /// Tokens computed several at a time, prompts above all, and the positions they looked at.
    public var promptTokens = 0
    public var promptPositions = 0

    public init() {}

    /// Totals wrap when a fast machine has run for months; differences stay right.
    public static func - (now: EngineWork, before: EngineWork) -> EngineWork {
        var work = EngineWork()
        work.weightBytesRead = now.weightBytesRead &- before.weightBytesRead
        work.stateBytesRead = now.stateBytesRead &- before.stateBytesRead
        work.stateBytesWritten = now.stateBytesWritten &- before.stateBytesWritten
        work.decodeSteps = now.decodeSteps &- before.decodeSteps
        work.decodedTokens = now.decodedTokens &- before.decodedTokens
        work.decodedPositions = now.decodedPositions &- before.decodedPositions
        work.promptTokens = now.promptTokens &- before.promptTokens
        work.promptPositions = now.promptPositions &- before.promptPositions
        return work
    }
}

struct WorkMeter {
    private(set) var total = EngineWork()
    private let bodyBytes: Int
    private let headBytes: Int
    private let headRows: Int
    /// Of one layer's keys and values at one position.
    private let bytesPerPosition: Int
    private let fullLayers: Int
    private let slidingLayers: Int
    private let window: Int
    private let recurrentBytes: Int
    private var expertBytes = 0

    /// - Parameter headRows: rows of logits that one reading of the head makes.
    init(_ decoder: Decoder, memory: SequenceMemory, headRows: Int) {
        let config = decoder.config
        headBytes = decoder.head.byteCount
        bodyBytes = decoder.weightBytesPerStep - decoder.expertBytesPerToken - headBytes
        self.headRows = headRows
        bytesPerPosition = KVStorage.bytesPerToken(
            layers: 1, kvHeads: config.kvHeadCount, headDim: config.headDim, format: memory.cache.format)
        slidingLayers = config.layerKinds.count { $0 == .sliding }
        fullLayers = memory.cache.layers - slidingLayers
        window = config.slidingWindow ?? .max
        recurrentBytes = memory.states.slotByteCount
    }

    /// Counts a step that was computed.
    ///
    /// - Parameter expertBytes: bytes of routed experts read since the start.
    mutating func add(_ step: borrowing StepBatch, expertBytes: Int) {
        total.weightBytesRead &+= bodyBytes &+ (expertBytes &- self.expertBytes)
            &+ headBytes * ((step.logitCount + headRows - 1) / headRows)
        self.expertBytes = expertBytes
        var decoded = 0
        for run in 0..<step.runCount {
            let tokens = step.runs.tokens(of: run)
            let start = Int(step.positions[tokens.lowerBound])
            let end = start + tokens.count
            let seen = end - max(0, start - (window - 1))
            total.stateBytesRead &+= bytesPerPosition * (fullLayers * end + slidingLayers * seen) &+ recurrentBytes
            total.stateBytesWritten &+= bytesPerPosition * (fullLayers + slidingLayers) * tokens.count &+ recurrentBytes
            if tokens.count == 1 {
                decoded += 1
                total.decodedPositions &+= end
            } else {
                total.promptTokens &+= tokens.count
                total.promptPositions &+= tokens.count * (start + end + 1) / 2
            }
        }
        guard decoded > 0 else { return }
        total.decodeSteps &+= 1
        total.decodedTokens &+= decoded
    }
}
