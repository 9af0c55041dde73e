// The kinds of prompt a request may carry, and how each becomes token ids.
import Foundation
import QuernEngine
import QuernJSON
import QuernTemplate
import QuernTokenizer

/// Messages for the model's chat template.
public struct ChatPrompt: Sendable {
    /// Objects with `role` and `content`, passed to the template as they are.
    public var messages: [JSONValue]
    public var tools: [JSONValue] = []
    /// Further template variables, such as `enable_thinking`.
    public var variables = JSONObject()
    /// End with the opening of the assistant's turn.
    public var addGenerationPrompt = true
    /// End right after the text of the last message, which the completion continues.
    public var continuesFinalMessage = false

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
    /// Nil generates until a stop token or the end of the context; 0 computes the prompt only.
    public var maxTokens: Int?
    /// Nothing ends the completion before so many tokens, stop strings and calls in a loop excepted.
    public var minTokens = 0
    public var sampling: SamplingParameters
    /// The completion ends before the first of these strings.
    public var stop: [String] = []
    public var stopTokenIDs: [TokenID] = []
    /// Continue past the model's end-of-sequence tokens.
    public var ignoreEOS = false
    /// Give the log-probability of every generated token and of so many likeliest ones.
    public var topLogprobs: Int?
    /// Give those of the prompt too; needs `topLogprobs`.
    public var scoresPrompt = false
    /// Tell how much of the prompt is computed while it is.
    public var reportsProgress = false
    public var priority = Priority.normal
    /// Who asks; prefixes computed before are used again within one domain only.
    public var domain = CacheDomain()
    /// What the completion must look like; nil leaves it free.
    public var guidance: GuidancePlan?
    /// Reads the completion's calls, which end it when they go in a loop; nil where there are none.
    public var parser: AnswerParser?

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
            return try encode(try renderChat(chat))
        }
    }

    /// Whether `encode` puts the beginning-of-text token before a prompt's own tokens.
    public func addsBOS(to prompt: Prompt) -> Bool {
        guard case .text = prompt, let tokenizer else { return false }
        return tokenizer.addsBOS && tokenizer.bosTokenID != nil
    }

    /// The token ids of a rendered chat: template text may name special tokens, what users wrote may not.
    func encode(_ rendered: RenderedPrompt) throws(RequestError) -> [TokenID] {
        guard let tokenizer else { throw .noTokenizer }
        return tokenizer.encode(rendered.segments.map { TextPart($0.text, parsesSpecial: $0.isTrusted) })
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
        let rendered: RenderedPrompt
        do {
            rendered = try chatTemplate.render(variables)
        } catch {
            throw .templateFailed(message: "\(error)")
        }
        return chat.continuesFinalMessage ? try Self.cut(rendered, after: chat.messages.last) : rendered
    }

    /// The prompt up to the end of the final message's text: what the template puts after it would end the turn.
    private static func cut(_ rendered: RenderedPrompt, after message: JSONValue?) throws(RequestError) -> RenderedPrompt {
        guard let message, message["role"] == "assistant", let content = message["content"]?.stringValue, !content.isEmpty
        else {
            throw .invalid(
                param: "continue_final_message", message: "continue_final_message needs a last message of the assistant with text")
        }
        let text = Array(rendered.text.utf8)
        // Many templates trim what they insert.
        let trimmed = content.trimmingCharacters(in: .whitespacesAndNewlines)
        guard let end = [content, trimmed].lazy.compactMap({ text.endOfLast(Array($0.utf8)) }).first else {
            throw .invalid(
                param: "continue_final_message",
                message: "the chat template does not show the last message as it is; it cannot be continued")
        }
        var rest = end
        var segments: [RenderedPrompt.Segment] = []
        for segment in rendered.segments where rest > 0 {
            let kept = segment.text.utf8.prefix(rest)
            rest -= kept.count
            segments.append(RenderedPrompt.Segment(text: String(decoding: kept, as: UTF8.self), isTrusted: segment.isTrusted))
        }
        return RenderedPrompt(segments: segments)
    }

    private func spelling(_ token: TokenID?) -> String {
        guard let token, let bytes = tokenizer?.bytes(of: token) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension [UInt8] {
    /// Index after the last occurrence of `pattern`.
    fileprivate func endOfLast(_ pattern: [UInt8]) -> Int? {
        guard !pattern.isEmpty, pattern.count <= count else { return nil }
        let start = (0...(count - pattern.count)).reversed().first { self[$0...].starts(with: pattern) }
        return start.map { $0 + pattern.count }
    }
}
