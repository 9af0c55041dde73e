// Wire types to engine types and back: the only place that knows both.
import Foundation
import Quern
import QuernAPI
import QuernEngine
import QuernJSON
import QuernModel

extension Backend {
    func request(_ chat: ChatCompletionRequest) throws(APIError) -> TextRequest {
        var prompt = ChatPrompt(messages: chat.messages)
        prompt.variables = chat.templateVariables
        return try request(chat.generation, prompt: .chat(prompt))
    }

    func request(_ completion: CompletionRequest) throws(APIError) -> TextRequest {
        switch completion.prompt {
        case .text(let text): try request(completion.generation, prompt: .text(text, parseSpecial: completion.parsesSpecial))
        case .tokens(let tokens): try request(completion.generation, prompt: .tokens(tokens))
        }
    }

    private func request(_ fields: GenerationFields, prompt: Prompt) throws(APIError) -> TextRequest {
        if let name = fields.model, name != model.info.id {
            throw APIError(
                status: 404, type: "not_found_error", code: "model_not_found", param: "model",
                message: "the model \"\(name.prefix(128))\" is not loaded; this daemon serves \"\(model.info.id)\"")
        }
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
        request.stop = fields.stop
        request.stopTokenIDs = fields.stopTokenIDs
        request.ignoreEOS = fields.ignoreEOS
        return request
    }
}

extension APIError {
    /// The documented status and code of everything that can be wrong with a request.
    init(_ error: RequestError) {
        switch error {
        case .contextLengthExceeded(let prompt, let limit):
            self.init(
                status: 400, type: "exceed_context_size_error", code: "context_length_exceeded", param: "messages",
                message: error.description)
            details.append("n_prompt_tokens", .int(Int64(prompt)))
            details.append("n_ctx", .int(Int64(limit)))
        case .queueFull: self.init(status: 503, type: "overloaded_error", code: "queue_full", message: error.description)
        case .ownerQueueFull: self.init(status: 429, type: "rate_limit_error", code: "user_queue_full", message: error.description)
        case .queueTimeout: self.init(status: 503, type: "overloaded_error", code: "queue_timeout", message: error.description)
        case .shuttingDown: self.init(status: 503, type: "unavailable_error", code: "shutting_down", message: error.description)
        case .emptyPrompt: self = .invalid("prompt", error.description, code: "empty_prompt")
        case .noTokenizer: self = .invalid("prompt", error.description, code: "no_tokenizer")
        case .noChatTemplate: self = .invalid("messages", error.description, code: "template_unusable")
        case .templateFailed: self = .invalid("messages", error.description, code: "template_failed")
        case .invalid(let param, let message): self = .invalid(param, message)
        case .failed: self.init(status: 500, type: "server_error", code: "failed", message: error.description)
        }
    }
}

extension Measurements {
    init(_ usage: Usage, _ timings: Timings) {
        self.init(
            promptTokens: usage.promptTokens, cachedTokens: usage.cachedTokens, completionTokens: usage.completionTokens,
            queueMS: timings.queueMS, promptMS: timings.promptMS, predictedMS: timings.predictedMS)
    }
}
