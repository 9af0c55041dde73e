// POST /v1/chat/completions and /v1/completions, streamed and not.
//
// Invariants: a request is validated and queued before the first byte of an answer; the connection's end, not its half
// close, cancels the generation.
import Foundation
import Hummingbird
import Logging
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

extension Surface {
    func addCompletions(to router: Router<QuernRequestContext>) {
        router.post("v1/chat/completions") { request, context in
            let chat = try ChatCompletionRequest(try await json(request))
            let backend = try await backend(chat.generation.model, context)
            let plan = try await context.whileConnected { try await backend.plan(chat) }
            var format = Backend.format(.chat, chat.generation)
            format.hasLogprobs = chat.logprobs != nil
            format.parser = plan.parser
            return try await backend.answer(chat.generation, format, promptField: "messages", context) { sender in
                [backend.request(chat, plan, from: sender)]
            }
        }
        router.post("v1/chat/completions/input_tokens") { request, context in
            let chat = try ChatCompletionRequest(try await json(request))
            let count = try await backend(chat.generation.model, context).plan(chat).tokens.count
            return Response(["object": "response.input_tokens", "input_tokens": .int(Int64(count))])
        }
        router.post("v1/completions") { request, context in
            let completion = try CompletionRequest(try await json(request))
            let backend = try await backend(completion.generation.model, context)
            var format = Backend.format(.text, completion.generation)
            format.hasLogprobs = completion.logprobs != nil
            format.echoes = completion.echoes
            let guidance = try await context.whileConnected { try await backend.guidance(completion) }
            return try await backend.answer(completion.generation, format, promptField: "prompt", context) { sender in
                backend.requests(completion, guidance, from: sender)
            }
        }
    }
}

extension Backend {
    fileprivate static func format(_ kind: CompletionResponse.Kind, _ fields: GenerationFields) -> AnswerFormat {
        AnswerFormat(kind: kind, returnsTokens: fields.returnsTokens, maxTokens: fields.maxTokens)
    }

    /// Answers a chat that is told once, in a form of its own.
    ///
    /// - Parameter form: given the request as the engine gets it.
    func answer(
        _ chat: ChatCompletionRequest, _ plan: AnswerPlan, promptField: String, _ context: QuernRequestContext,
        form: (TextRequest) -> some AnswerForm
    ) async throws -> Response {
        let connection = try await context.connection()
        let wanted = request(chat, plan, from: Sender(userID: connection.peer?.userID))
        let prepared = try APIError.naming(promptField) { () throws(RequestError) in try model.prepare(wanted) }
        let form = form(wanted)
        return try await tell(form, [prepared], promptField: promptField, streams: chat.generation.stream, context, connection)
    }

    /// Prepares one request per prompt, starts the choices of each, and answers.
    fileprivate func answer(
        _ fields: GenerationFields, _ format: AnswerFormat, promptField: String, _ context: QuernRequestContext,
        requests: (Sender) -> [TextRequest]
    ) async throws -> Response {
        let connection = try await context.connection()
        let wanted = requests(Sender(userID: connection.peer?.userID))
        let prepared = try APIError.naming(promptField) { () throws(RequestError) in
            try wanted.map { request throws(RequestError) in try model.prepare(request) }
        }
        let assemblers = zip(wanted, prepared).enumerated().flatMap { position, pair in
            (0..<fields.count).map { number in
                ChoiceAssembler(
                    index: position * fields.count + number, format: format, prompt: pair.1.promptTokens,
                    addsBOS: model.addsBOS(to: pair.0.prompt), tokenizer: model.tokenizer)
            }
        }
        let form = ChoiceForm(response(format.kind), assemblers, countPerPrompt: fields.count, includesUsage: fields.includeUsage)
        let choices = prepared.flatMap { request in (0..<fields.count).map { request.variant($0) } }
        return try await tell(form, choices, promptField: promptField, streams: fields.stream, context, connection)
    }

    /// Starts `requests` and tells what comes of them.
    private func tell(
        _ form: some AnswerForm, _ requests: [PreparedRequest], promptField: String, streams: Bool, _ context: QuernRequestContext,
        _ connection: Connection
    ) async throws -> Response {
        let group = try APIError.naming(promptField) { () throws(RequestError) in try ChoiceGroup(requests, on: model) }
        connection.whenClosed { group.cancel() }
        let answer = Answer(
            group: group, form: form, count: requests.count, recorder: recorder(context.logger.naming(connection.peer)))
        guard streams else { return try await answer.whole() }
        return EventStream(answer: answer, pingInterval: limits.pingInterval).response()
    }

    private func response(_ kind: CompletionResponse.Kind) -> CompletionResponse {
        CompletionResponse(
            kind: kind, id: (kind == .chat ? "chatcmpl-" : "cmpl-") + UUID().key, model: model.info.id,
            created: Int(Date().timeIntervalSince1970), fingerprint: fingerprint)
    }
}
