// Wire types to engine types and back: the only place that knows both.
import Foundation
import Quern
import QuernAPI
import QuernEngine
import QuernJSON
import QuernModel
import QuernPlanner

/// Who asks, as far as the engine cares.
struct Sender: Sendable {
    /// Nil when the kernel does not say; then the request shares with others of its kind only.
    let userID: UInt32?

    func domain(salt: String?) -> CacheDomain {
        CacheDomain(owner: userID ?? .max, salt: Array((salt ?? "").utf8))
    }
}

extension ChatPrompt {
    init(_ fields: ChatFields) {
        self.init(messages: fields.messages)
        variables = fields.templateVariables
        addGenerationPrompt = fields.addsGenerationPrompt
        continuesFinalMessage = fields.continuesFinalMessage
    }
}

extension Prompt {
    init(_ plain: PlainPrompt, parsesSpecial: Bool = false) {
        switch plain {
        case .text(let text): self = .text(text, parseSpecial: parsesSpecial)
        case .tokens(let tokens): self = .tokens(tokens)
        }
    }
}

extension Priority {
    init(_ name: PriorityName?) {
        switch name {
        case .interactive?: self = .interactive
        case .batch?: self = .batch
        case .default?, nil: self = .normal
        }
    }
}

extension Backend {
    func request(_ chat: ChatCompletionRequest, _ plan: AnswerPlan, from sender: Sender) -> TextRequest {
        var request = request(chat.generation, prompt: .tokens(plan.tokens), from: sender)
        request.guidance = plan.guidance
        request.parser = plan.parser
        request.topLogprobs = chat.logprobs
        return request
    }

    /// One request per prompt.
    func requests(_ completion: CompletionRequest, _ guidance: GuidancePlan?, from sender: Sender) -> [TextRequest] {
        completion.prompts.map { plain in
            var request = request(
                completion.generation, prompt: Prompt(plain, parsesSpecial: completion.parsesSpecial), from: sender)
            request.topLogprobs = completion.logprobs
            request.guidance = guidance
            request.scoresPrompt = completion.echoes && completion.logprobs != nil
            return request
        }
    }

    private func request(_ fields: GenerationFields, prompt: Prompt, from sender: Sender) -> TextRequest {
        var sampling = SamplingParameters(defaults: model.generationDefaults)
        if let value = fields.temperature { sampling.temperature = Float(value) }
        if let value = fields.topP { sampling.topP = Float(value) }
        if let value = fields.topK { sampling.topK = value }
        if let value = fields.minP { sampling.minP = Float(value) }
        if let value = fields.repetitionPenalty { sampling.repetitionPenalty = Float(value) }
        if let value = fields.presencePenalty { sampling.presencePenalty = Float(value) }
        if let value = fields.frequencyPenalty { sampling.frequencyPenalty = Float(value) }
        sampling.seed = fields.seed
        sampling.logitBias = fields.logitBias
        var request = TextRequest(prompt: prompt, maxTokens: fields.maxTokens, sampling: sampling)
        request.minTokens = fields.minTokens
        request.stop = fields.stop
        request.stopTokenIDs = fields.stopTokenIDs
        request.ignoreEOS = fields.ignoreEOS
        request.reportsProgress = fields.returnsProgress
        request.priority = Priority(fields.priority)
        request.domain = sender.domain(salt: fields.cacheSalt)
        return request
    }

    /// A model without a chat template continues a pipe's text as it is, when the client did not ask for a chat's fields.
    func request(_ pipe: PipeRequest, from sender: Sender) async throws(APIError) -> TextRequest {
        switch pipe {
        case .chat(let chat, let text) where model.chatTemplate == nil && chat.chat.messages.count == 1:
            return request(chat.generation, prompt: .text(text, parseSpecial: false), from: sender)
        case .chat(let chat, _):
            return request(chat, try await plan(chat), from: sender)
        case .raw(let completion, let text):
            var request = request(completion.generation, prompt: .text(text, parseSpecial: completion.parsesSpecial), from: sender)
            request.guidance = try await guidance(completion)
            return request
        }
    }
}

extension APIError {
    /// The documented status and code of everything that can be wrong with a request.
    ///
    /// - Parameter promptField: the field that the prompt came in.
    init(_ error: RequestError, promptField: String = "prompt") {
        switch error {
        case .contextLengthExceeded(let prompt, let limit):
            self.init(
                status: 400, type: "exceed_context_size_error", code: "context_length_exceeded", param: promptField,
                message: error.description)
            details.append("n_prompt_tokens", .int(Int64(prompt)))
            details.append("n_ctx", .int(Int64(limit)))
        case .queueFull: self.init(status: 503, type: "overloaded_error", code: "queue_full", message: error.description)
        case .ownerQueueFull: self.init(status: 429, type: "rate_limit_error", code: "user_queue_full", message: error.description)
        case .queueTimeout: self.init(status: 503, type: "overloaded_error", code: "queue_timeout", message: error.description)
        case .memoryShort: self.init(status: 503, type: "overloaded_error", code: "memory_short", message: error.description)
        case .shuttingDown: self.init(status: 503, type: "unavailable_error", code: "shutting_down", message: error.description)
        case .emptyPrompt: self = .invalid(promptField, error.description, code: "empty_prompt")
        case .noTokenizer: self = .invalid(promptField, error.description, code: "no_tokenizer")
        case .noChatTemplate: self = .invalid(promptField, error.description, code: "template_unusable")
        case .templateFailed: self = .invalid(promptField, error.description, code: "template_failed")
        case .invalid(let param, let message, let code):
            self = .invalid(param == "prompt" ? promptField : param, message, code: code)
        case .failed: self.init(status: 500, type: "server_error", code: "failed", message: error.description)
        }
    }

    /// Runs `body`, whose `RequestError`s concern the prompt in `field`.
    static func naming<Value>(_ field: String, _ body: () throws(RequestError) -> Value) throws(APIError) -> Value {
        do {
            return try body()
        } catch {
            throw APIError(error, promptField: field)
        }
    }
}

extension Measurements {
    /// - Parameters:
    ///   - roofline: bytes per second that the device in use reads at most.
    ///   - device: what the answer is compared with.
    init(_ usage: Usage, _ timings: Timings, roofline: Double? = nil, device: TargetDevice? = nil) {
        self.init()
        promptTokens = usage.promptTokens
        cachedTokens = usage.cachedTokens
        completionTokens = usage.completionTokens
        queueMS = timings.queueMS
        promptMS = timings.promptMS
        predictedMS = timings.predictedMS
        let work = timings.predictedWork
        bytesRead = work.weightBytesRead &+ work.stateBytesRead
        self.roofline = roofline
        projection = device.map { Projection(timings, on: $0) }
    }
}

extension Measurements.Projection {
    /// Decoding alone, without prompts of others in between. An answer of one token is given the rate of a second one.
    init(_ timings: Timings, on device: TargetDevice) {
        var work = StepWork(timings.predictedWork)
        (work.promptTokens, work.promptPositions) = (0, 0)
        let decoded = timings.predictedCount - 1
        let hasDecoded = decoded > 0 && work.sequences > 0
        if !hasDecoded {
            work = StepWork(sequences: 1, positions: timings.promptCount + 1, promptTokens: 0, promptPositions: 0)
        }
        let seconds = device.projection.seconds(work)
        self.init(
            device: device.projection.profile.id, tokens: hasDecoded ? decoded : 1,
            seconds: (seconds.low, seconds.expected, seconds.high), bottleneck: device.projection.bottleneck(work).rawValue,
            isSimulated: device.isPaced)
    }
}
