// What a request says about the shape of its answer, as constraints of the model that answers.
import Quern
import QuernAPI
import QuernEngine
import QuernGrammar
import QuernJSON

extension Grammar {
    /// Nil for free text.
    init?(_ format: StructureFields.Format) {
        switch format {
        case .text: return nil
        case .jsonObject: self = .jsonObject(spacing: .flexible)
        case .schema(let schema, let pointer): self = .schema(schema, spacing: .flexible, pointer: pointer)
        case .regex(let pattern): self = .regex(pattern)
        case .choice(let texts): self = .choice(of: texts)
        case .grammar(let source): self = .gbnf(source)
        }
    }
}

extension AnswerConstraints {
    init(_ fields: StructureFields, variables: JSONObject) throws(RequestError) {
        self.init()
        content = Grammar(fields.format)
        thinks = fields.thinks ?? variables["enable_thinking"]?.boolValue
        thinkingBudget = fields.thinkingBudget
        answerReserve = fields.answerReserve ?? 0
        guard !fields.tools.isEmpty || fields.toolChoice != nil else { return }
        tools = try ToolSet(
            fields.tools, choice: try fields.toolChoice.map { value throws(RequestError) in try ToolChoice(value) } ?? .auto,
            allowsParallelCalls: fields.allowsParallelCalls, places: fields.toolPlaces)
    }
}

extension Backend {
    /// Prompt, constraint and parser of a chat whose messages came in `promptField`.
    func plan(_ chat: ChatCompletionRequest, promptField: String = "messages") async throws(APIError) -> AnswerPlan {
        do {
            let constraints = try AnswerConstraints(chat.structure, variables: chat.chat.templateVariables)
            return try await model.plan(ChatPrompt(chat.chat), constraints)
        } catch {
            throw APIError(error, promptField: promptField)
        }
    }

    /// The constraint of a plain completion; nil leaves it free.
    func guidance(_ completion: CompletionRequest) async throws(APIError) -> GuidancePlan? {
        do {
            return try await model.guidance(Grammar(completion.structure.format))
        } catch {
            throw APIError(error)
        }
    }
}
