// POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API.
import Foundation
import Hummingbird
import Quern
import QuernAPI
import QuernJSON

extension Surface {
    func addMessages(to router: Router<QuernRequestContext>) {
        router.post("v1/messages") { request, context in
            let chat = try MessagesRequest(try await json(request)).chat
            let backend = try await backend(chat.generation.model, context)
            let plan = try await context.whileConnected { try await backend.plan(chat) }
            return try await backend.answer(chat, plan, promptField: "messages", context) { _ in
                MessageForm(
                    MessagesResponse(key: UUID().key, model: backend.model.info.id),
                    AnswerReader(plan.parser, maxTokens: chat.generation.maxTokens))
            }
        }
        router.post("v1/messages/count_tokens") { request, context in
            let chat = try MessagesRequest(try await json(request), countsOnly: true).chat
            let count = try await backend(chat.generation.model, context).plan(chat).tokens.count
            return Response(["input_tokens": .int(Int64(count))])
        }
    }
}
