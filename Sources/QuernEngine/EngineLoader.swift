// From a checkpoint and options to a ready engine loop: every size is decided here, once.
import Foundation
import QuernCheckpoint
import QuernModel
import QuernTensor

struct EngineLoader {
    let loop: EngineLoop
    let info: EngineInfo

    /// The default context: long enough for a chat, small enough for a laptop.
    static let defaultContextLength = 8192

    static func load(
        _ checkpoint: any Checkpoint, options: EngineOptions, heartbeat: Heartbeat, progress: @escaping @Sendable (Double) -> Void
    ) throws -> EngineLoader {
        let config = checkpoint.config
        guard let instructionSet = InstructionSet(options.instructionSet) else {
            throw EngineError.unknownInstructionSet(
                options.instructionSet ?? "", supported: InstructionSet.supported)
        }
        let contextLength = try context(options, config)
        let threads = max(1, options.threads ?? ProcessorCount.available())
        if options.precision == .float32 { BLAS.setThreadCount(threads) }

        var limits = SchedulerLimits(queueTimeout: options.queueTimeout)
        limits.maxSequences = max(1, options.maxSequences)
        limits.prefillChunk = min(max(1, options.prefillChunk ?? limits.prefillChunk), contextLength)
        let compute = try Compute(
            config: config, instructionSet: instructionSet, threads: threads,
            maxTokens: limits.prefillChunk + limits.maxSequences, maxLogitRows: max(16, limits.maxSequences),
            precision: options.precision, heartbeat: heartbeat)
        let loader = WeightLoader(checkpoint, precision: options.precision, bits: options.weightBits, threads: threads, progress: progress)
        let decoder = try Decoder(config: config, loader: loader, contextLength: contextLength)

        let format = options.precision == .float32 ? .float32 : options.cacheFormat
        let blocksPerSequence = (contextLength + KVStorage.blockSize - 1) / KVStorage.blockSize
        let blocks = blockCount(
            config, perSequence: blocksPerSequence, sequences: limits.maxSequences, format: format, byteLimit: options.cacheByteLimit)
        let memory = try SequenceMemory(config: config, blockCount: blocks, sequences: limits.maxSequences, format: format)
        let scheduler = try Scheduler(
            memory: memory, blocksPerSequence: blocksPerSequence, limits: limits)
        let tokenCount = min(config.vocabularySize, max(1, options.tokenCount ?? config.vocabularySize))
        let loop = try EngineLoop(
            decoder: decoder, compute: compute, memory: memory, scheduler: scheduler, tokenCount: tokenCount)
        let info = EngineInfo(
            config: config, contextLength: contextLength, maxSequences: limits.maxSequences, tokenCount: tokenCount,
            threads: compute.pool.threadCount, instructionSet: instructionSet.description, precision: options.precision,
            groupSize: options.precision != .float32 ? loader.groupSize : nil,
            weightBytesPerStep: decoder.weightBytesPerStep, headBytes: decoder.head.byteCount, weightsPerStep: decoder.weightsPerStep,
            headWeights: decoder.head.rows * decoder.head.columns, cacheBytes: memory.byteCount, cacheFormat: format)
        return EngineLoader(loop: loop, info: info)
    }

    /// An archive's weights as they are stored; others get 8 bits with a half-precision scale per 32, and f32 four bytes each.
    static func weightEstimate(_ checkpoint: any Checkpoint, _ options: EngineOptions) -> Int {
        let count = checkpoint.config.parameterCount
        guard options.precision != .float32 else { return count * 4 }
        return checkpoint is Archive ? checkpoint.tensors.reduce(0) { $0 + $1.byteCount } : count / 16 * 17
    }

    static func memoryEstimate(_ checkpoint: any Checkpoint, _ options: EngineOptions) throws -> Int {
        let config = checkpoint.config
        let blocksPerSequence = (try context(options, config) + KVStorage.blockSize - 1) / KVStorage.blockSize
        let format = options.precision == .float32 ? .float32 : options.cacheFormat
        let blocks = blockCount(
            config, perSequence: blocksPerSequence, sequences: max(1, options.maxSequences), format: format,
            byteLimit: options.cacheByteLimit)
        return weightEstimate(checkpoint, options) + blocks * bytesPerBlock(config, format)
    }

    private static func bytesPerBlock(_ config: ModelConfig, _ format: KVFormat) -> Int {
        KVStorage.blockSize * KVStorage.bytesPerToken(
            layers: config.layerKinds.count { $0 != .linear }, kvHeads: config.kvHeadCount, headDim: config.headDim,
            format: format)
    }

    static func context(_ options: EngineOptions, _ config: ModelConfig) throws -> Int {
        guard let wanted = options.contextLength else { return min(config.contextLength, defaultContextLength) }
        guard wanted > 0 && wanted <= config.contextLength else {
            throw EngineError.contextOutOfRange(wanted, limit: config.contextLength)
        }
        return wanted
    }

    /// Enough for every sequence at full length within the limit, and never less than one full sequence. Untouched blocks
    /// cost no memory: the mapping is filled on first use.
    private static func blockCount(
        _ config: ModelConfig, perSequence: Int, sequences: Int, format: KVFormat, byteLimit: Int?
    ) -> Int {
        let budget = byteLimit ?? EngineOptions.defaultCacheByteLimit
        return max(perSequence, min(perSequence * sequences, budget / max(1, bytesPerBlock(config, format))))
    }
}
