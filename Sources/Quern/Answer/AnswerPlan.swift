// The shape a chat answer is asked for, and what that means for one model: prompt, guidance and parser that fit each other.
//
// Owns: putting templates, tags, tools and constraints together. Does not own: any of them. Invariant: what the guidance lets the
// model write is exactly what the parser reads.
import QuernEngine
import QuernGrammar
import QuernJSON
import QuernTemplate
import QuernTokenizer

public struct AnswerConstraints: Sendable {
    /// What the answer's text may be; nil leaves it free.
    public var content: Grammar?
    public var tools: ToolSet?
    /// Whether the model thinks first; nil leaves it to the template.
    public var thinks: Bool?
    /// Most tokens of thinking.
    public var thinkingBudget: Int?
    /// Tokens of the request's limit that thinking leaves for the answer.
    public var answerReserve = 0
    /// When an answer counts as a loop; nil never.
    public var repetition: RepetitionLimits?

    public init() {}
}

/// One chat request, ready to be generated and read.
public struct AnswerPlan: Sendable {
    /// The prompt.
    public let tokens: [TokenID]
    public let guidance: GuidancePlan?
    public let parser: AnswerParser
    /// Why schemas of tools that are not strict are not enforced.
    public let warnings: [GrammarError]
}

extension LoadedModel {
    /// - Throws: `RequestError` when the template fails, the model has no form of calls that is known, or a constraint is refused.
    public func plan(_ chat: ChatPrompt, _ constraints: AnswerConstraints) async throws(RequestError) -> AnswerPlan {
        guard let tokenizer, let chatTemplate else { throw .noChatTemplate(chatTemplateProblem ?? "the model has no chat template") }
        var chat = chat
        chat.messages = try ToolHistory.normalized(chat.messages)
        if let tools = constraints.tools, tools.choice != .none { chat.tools = tools.definitions }
        if let thinks = constraints.thinks { chat.variables["enable_thinking"] = .bool(thinks) }
        let rendered = try renderChat(chat)
        var tokens = try encode(rendered)
        // An answer that is continued is past its thinking.
        var start = chat.continuesFinalMessage
            ? ThinkingStart.absent : Reasoning.start(rendered, template: chatTemplate.source, tokenizer: tokenizer)
        if constraints.thinks == false, start != .absent {
            tokens += Reasoning.nothing(after: start, tokenizer: tokenizer)
            start = .absent
        }
        let (answer, form, warnings) = try await constraint(constraints, chatTemplate)
        let thinking = Reasoning.plan(
            start, budget: constraints.thinkingBudget, answerReserve: constraints.answerReserve, tokenizer: tokenizer)
        let plan = GuidancePlan(answer: answer, thinking: thinking, repetition: constraints.repetition)
        let isFree = answer == nil && constraints.repetition == nil && (thinking == nil || !constraints.boundsThinking)
        return AnswerPlan(
            tokens: tokens, guidance: isFree ? nil : plan,
            parser: AnswerParser(thinking: start, tools: constraints.tools, form: form), warnings: warnings)
    }

    /// A constraint on plain text; nil leaves it free.
    public func guidance(_ grammar: Grammar?) async throws(RequestError) -> GuidancePlan? {
        guard let grammar else { return nil }
        guard let grammars else { throw .noTokenizer }
        do {
            return GuidancePlan(answer: try await grammars.compiled(grammar))
        } catch {
            throw RequestError(error)
        }
    }

    private func constraint(
        _ constraints: AnswerConstraints, _ template: ChatTemplate
    ) async throws(RequestError) -> (CompiledGrammar?, ToolForm?, [GrammarError]) {
        var form: ToolForm?
        if let tools = constraints.tools, !tools.callable.isEmpty {
            form = ToolForm(template: template.source)
            if form == nil {
                throw .invalid(param: "tools", message: "the model's chat template has no tool calls in a form that quern knows")
            }
        }
        do throws(GrammarError) {
            var grammar = constraints.content
            var warnings: [GrammarError] = []
            if let tools = constraints.tools, let form { (grammar, warnings) = try tools.grammar(form, content: grammar) }
            guard let grammar, let grammars else { return (nil, form, warnings) }
            return (try await grammars.compiled(grammar), form, warnings)
        } catch {
            throw RequestError(error)
        }
    }
}

extension AnswerConstraints {
    fileprivate var boundsThinking: Bool { thinkingBudget != nil || answerReserve > 0 }
}

extension RequestError {
    /// Fields are named as in other errors, without the slash that begins a JSON Pointer.
    init(_ error: GrammarError) {
        let place = String(error.pointer.drop { $0 == "/" })
        self = .invalid(
            param: place.isEmpty ? "grammar" : place, message: error.description,
            code: error.kind == .tooComplex ? "grammar_too_complex" : nil)
    }
}
