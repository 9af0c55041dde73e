// POST /v1/responses and /v1/responses/input_tokens: OpenAI's Responses API without a memory.
import Foundation
import Hummingbird
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

extension Surface {
    func addResponses(to router: Router<QuernRequestContext>) {
        router.post("v1/responses") { request, context in
            let wanted = try ResponsesRequest(try await json(request))
            let backend = try await backend(wanted.chat.generation.model, context)
            let plan = try await context.whileConnected { try await backend.plan(wanted.chat, promptField: "input") }
            return try await backend.answer(wanted.chat, plan, promptField: "input", context) { request in
                let response = ResponseObject(
                    key: UUID().key, model: backend.model.info.id, created: Int(Date().timeIntervalSince1970),
                    temperature: request.sampling.temperature.asWritten, topP: request.sampling.topP.asWritten, echo: wanted.echo)
                return ResponseForm(response, AnswerReader(plan.parser, maxTokens: wanted.chat.generation.maxTokens))
            }
        }
        router.post("v1/responses/input_tokens") { request, context in
            let chat = try ResponsesRequest(try await json(request)).chat
            let count = try await backend(chat.generation.model, context).plan(chat, promptField: "input").tokens.count
            return Response(["object": "response.input_tokens", "input_tokens": .int(Int64(count))])
        }
    }
}

extension Float {
    /// The same digits as a double: 0.7 is 0.7.
    fileprivate var asWritten: Double { Double(description) ?? Double(self) }
}
