// A model ready to answer: engine, tokenizer and chat template together. Text in, text out.
//
// Owns: the way from a prompt of any kind to token ids, and from events of token ids to text. Does not own: sockets,
// HTTP shapes, files on disk. Invariant: text from users never becomes a special token unless a caller asks for that.
import Foundation
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernModel
import QuernTemplate
import QuernTokenizer

/// How a model is loaded.
public typealias LoadOptions = EngineOptions

/// What a loaded model is.
public struct ModelInfo: Sendable {
    /// The name clients use: the file's or directory's, without extension.
    public let id: String
    public let path: String
    public let format: String
    public let architecture: String
    public let parameterCount: Int
    public let contextLength: Int
    /// Token ids are 0..<vocabularySize; padding rows of the embedding do not count.
    public let vocabularySize: Int
    public let precision: Precision
    /// Columns per scale of int8 weights; nil in f32.
    public let groupSize: Int?
    /// Weights read by one decode step.
    public let weightBytes: Int
    /// Those of them in the language-model head, which a prompt needs once.
    public let headBytes: Int
    /// Weights of matrices that a step multiplies by, per token, and those of them in the language-model head.
    public let weightsPerStep: Int
    public let headWeights: Int
    public let cacheBytes: Int
    public let threads: Int
    public let instructionSet: String
    /// When it was loaded, in seconds since 1970.
    public let created: Int
}

public final class LoadedModel: Sendable {
    public let info: ModelInfo
    /// Nil for a checkpoint without one; then only token prompts work.
    public let tokenizer: Tokenizer?
    public let chatTemplate: ChatTemplate?
    /// Why there is no chat template, when the model has one that cannot be used.
    public let chatTemplateProblem: String?
    public let generationDefaults: GenerationDefaults
    /// Constraints compiled for this model; nil without a tokenizer.
    public let grammars: GrammarStore?
    /// What its answers are compared with; nil when nobody asked.
    public let device: TargetDevice?
    let engine: Engine
    private let endTokens: Set<TokenID>

    /// Opens and loads a checkpoint or archive. Blocks; call it off the concurrency pool for large models.
    ///
    /// - Parameters:
    ///   - name: what clients call it; nil takes the file's or directory's name.
    ///   - device: what its answers are compared with.
    ///   - progress: fraction loaded, 0...1.
    /// - Throws: `CheckpointError`, `TokenizerError`, `EngineError` or `SystemError`.
    public static func load(
        path: String, name: String? = nil, options: LoadOptions = LoadOptions(), device: TargetDevice? = nil,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) throws -> LoadedModel {
        let checkpoint = try openCheckpoint(path: path)
        return try LoadedModel(checkpoint, name: name, options: options, device: device, progress: progress)
    }

    public init(
        _ checkpoint: any Checkpoint, name: String? = nil, options: LoadOptions = LoadOptions(), device: TargetDevice? = nil,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) throws {
        self.device = device
        let definition = try checkpoint.tokenizerDefinition()
        var options = options
        options.tokenCount = definition?.tokens.count
        // The tokenizer's tables take as long as the weights of a small model: they are built beside them.
        let tables = Background { try definition.map { try Tokenizer($0) } }
        (chatTemplate, chatTemplateProblem) = Self.template(checkpoint.chatTemplate)
        generationDefaults = checkpoint.generationDefaults
        engine = try Engine(checkpoint, options: options, progress: progress)
        tokenizer = try tables.value() ?? nil
        grammars = tokenizer.map { GrammarStore($0) }
        endTokens = Set(checkpoint.config.eosTokenIDs + [tokenizer?.eosTokenID].compactMap { $0 })
        let config = engine.info.config
        info = ModelInfo(
            id: name ?? checkpoint.displayName, path: checkpoint.path, format: checkpoint.format,
            architecture: config.architecture.rawValue, parameterCount: config.parameterCount,
            contextLength: engine.info.contextLength, vocabularySize: engine.info.tokenCount,
            precision: engine.info.precision, groupSize: engine.info.groupSize,
            weightBytes: engine.info.weightBytesPerStep, headBytes: engine.info.headBytes,
            weightsPerStep: engine.info.weightsPerStep, headWeights: engine.info.headWeights, cacheBytes: engine.info.cacheBytes,
            threads: engine.info.threads, instructionSet: engine.info.instructionSet,
            created: Int(Date().timeIntervalSince1970))
    }

    /// A template that does not parse is reported, never replaced by a guess.
    private static func template(_ source: String?) -> (ChatTemplate?, String?) {
        guard let source else { return (nil, nil) }
        do {
            return (try ChatTemplate(source: source), nil)
        } catch {
            return (nil, "\(error)")
        }
    }

    /// Encodes a request's prompt and checks every field of it.
    public func prepare(_ request: TextRequest) throws(RequestError) -> PreparedRequest {
        let prompt = try encode(request.prompt)
        try validate(request)
        var stops = Set(request.stopTokenIDs)
        if !request.ignoreEOS { stops.formUnion(endTokens) }
        var generation = GenerationRequest(
            prompt: prompt, maxTokens: request.maxTokens, stopTokens: stops, sampling: request.sampling)
        generation.minTokens = request.minTokens
        generation.topLogprobs = request.topLogprobs
        generation.scoresPrompt = request.scoresPrompt
        generation.reportsProgress = request.reportsProgress
        generation.reportsWork = device?.isPaced == true
        generation.priority = request.priority
        generation.domain = request.domain
        generation.guidance = request.guidance
        do {
            try engine.validate(generation)
        } catch {
            throw RequestError(error)
        }
        return PreparedRequest(generation: generation, stop: request.stop, parser: request.parser)
    }

    /// Queues a request; its events arrive on the returned sequence, and dropping that cancels the request.
    public func start(_ request: PreparedRequest) throws(RequestError) -> TextGeneration {
        do {
            let (id, events) = try engine.submit(request.generation)
            return TextGeneration(
                id: id, events: events, engine: engine, promptCount: request.generation.prompt.count,
                detokenizer: tokenizer?.makeDetokenizer(skipSpecialTokens: true), stop: request.stop, parser: request.parser,
                device: device)
        } catch {
            throw RequestError(error)
        }
    }

    /// `prepare` and `start` at once.
    public func generate(_ request: TextRequest) throws(RequestError) -> TextGeneration { try start(try prepare(request)) }

    /// Raw logits for `positions` of `tokens`, ascending; the diagnostic behind `quern logits`.
    public func logits(tokens: [TokenID], positions: Set<Int>) throws -> [[Float]] {
        try engine.logits(tokens: tokens, positions: positions)
    }

    /// Finishes live requests, refuses waiting and new ones.
    public func drain() async { await engine.drain() }

    /// Fails live requests and waiting ones, refuses new ones.
    public func abandon() { engine.abandon() }

    /// Sequences computed together.
    public var sequenceLimit: Int { engine.info.maxSequences }

    public var statistics: EngineStatistics { engine.statistics }

    /// Whether the engine gets on.
    public var pulse: EnginePulse { engine.pulse }

    /// See `Engine.setMemoryShort`.
    public func setMemoryShort(_ isShort: Bool) { engine.setMemoryShort(isShort) }

    private func validate(_ request: TextRequest) throws(RequestError) {
        if let limit = request.maxTokens, limit < 0 {
            throw .invalid(param: "max_tokens", message: "max_tokens is \(limit), it must not be negative")
        }
        for token in request.stopTokenIDs where token < 0 || Int(token) >= info.vocabularySize {
            throw .invalid(param: "stop_token_ids", message: "stop_token_ids: token \(token) is outside 0...\(info.vocabularySize - 1)")
        }
        for token in request.sampling.logitBias.keys where token < 0 || Int(token) >= info.vocabularySize {
            throw .invalid(param: "logit_bias", message: "logit_bias: token \(token) is outside 0...\(info.vocabularySize - 1)")
        }
    }
}
