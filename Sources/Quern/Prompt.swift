// The kinds of prompt a request may carry, and how each becomes token ids.
import QuernEngine
import QuernJSON
import QuernTokenizer
import QuernTemplate

/// Messages for the model's chat template.
public struct ChatPrompt: Sendable {
    /// Objects with `role` and `content`, passed to the template as they are.
    public var messages: [JSONValue]
    public var tools: [JSONValue] = []
    /// Further template variables, such as `enable_thinking`.
    public var variables = JSONObject()
    /// End with the opening of the assistant's turn.
    public var addGenerationPrompt = true

    public init(messages: [JSONValue]) { self.messages = messages }

    /// One user message, with an optional system message before it.
    public init(user: String, system: String? = nil) {
        messages = [system.map { Self.message("system", $0) }, Self.message("user", user)].compactMap { $0 }
    }

    private static func message(_ role: String, _ content: String) -> JSONValue {
        var object = JSONObject()
        object.append("role", .string(role))
        object.append("content", .string(content))
        return .object(object)
    }
}

public enum Prompt: Sendable {
    case tokens([TokenID])
    /// With `parseSpecial`, spellings of special tokens in the text become those tokens.
    case text(String, parseSpecial: Bool)
    case chat(ChatPrompt)
}

/// A request for text.
public struct TextRequest: Sendable {
    public var prompt: Prompt
    /// Nil generates until a stop token or the end of the context.
    public var maxTokens: Int?
    public var sampling: SamplingParameters
    /// The completion ends before the first of these strings.
    public var stop: [String] = []
    public var stopTokenIDs: [TokenID] = []
    /// Continue past the model's end-of-sequence tokens.
    public var ignoreEOS = false

    public init(prompt: Prompt, maxTokens: Int? = nil, sampling: SamplingParameters = SamplingParameters()) {
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.sampling = sampling
    }
}

extension LoadedModel {
    /// The token ids the model will see for `prompt`.
    public func encode(_ prompt: Prompt) throws(RequestError) -> [TokenID] {
        switch prompt {
        case .tokens(let tokens):
            return tokens
        case .text(let text, let parseSpecial):
            guard let tokenizer else { throw .noTokenizer }
            let tokens = tokenizer.encode(text, parseSpecial: parseSpecial)
            guard tokenizer.addsBOS, let bos = tokenizer.bosTokenID else { return tokens }
            return [bos] + tokens
        case .chat(let chat):
            guard let tokenizer else { throw .noTokenizer }
            // Template text may name special tokens; what users wrote may not.
            return tokenizer.encode(try renderChat(chat).segments.map { TextPart($0.text, parsesSpecial: $0.isTrusted) })
        }
    }

    /// The chat as the template renders it, with the provenance of every part.
    public func renderChat(_ chat: ChatPrompt) throws(RequestError) -> RenderedPrompt {
        guard let chatTemplate else {
            throw .noChatTemplate(chatTemplateProblem ?? "the model has no chat template")
        }
        var variables = chat.variables
        variables["messages"] = .array(chat.messages)
        if !chat.tools.isEmpty { variables["tools"] = .array(chat.tools) }
        variables["add_generation_prompt"] = .bool(chat.addGenerationPrompt)
        variables["bos_token"] = .string(spelling(tokenizer?.bosTokenID))
        variables["eos_token"] = .string(spelling(tokenizer?.eosTokenID))
        do {
            return try chatTemplate.render(variables)
        } catch {
            throw .templateFailed(message: "\(error)")
        }
    }

    private func spelling(_ token: TokenID?) -> String {
        guard let token, let bytes = tokenizer?.bytes(of: token) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
