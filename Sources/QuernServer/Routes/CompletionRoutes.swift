// POST /v1/chat/completions and /v1/completions, streamed and not.
//
// Invariants: a request is validated and queued before the first byte of an answer; the connection's end, not its half
// close, cancels the generation.
import Foundation
import Hummingbird
import NIOCore
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

extension Backend {
    func addCompletions(to router: Router<QuernRequestContext>) {
        router.post("v1/chat/completions") { request, context in
            let chat = try ChatCompletionRequest(try await json(request))
            return try await answer(try self.request(chat), chat.generation, kind: .chat, context)
        }
        router.post("v1/completions") { request, context in
            let completion = try CompletionRequest(try await json(request))
            return try await answer(try self.request(completion), completion.generation, kind: .text, context)
        }
    }

    private func json(_ request: Request) async throws -> JSONValue {
        if let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw APIError(
                status: 415, type: "invalid_request_error", code: "unsupported_media_type",
                message: "the content type is \"\(type.prefix(64))\", expected application/json")
        }
        let body = try await request.body.collect(upTo: limits.bodyBytes)
        return try JSONValue(parsing: [UInt8](buffer: body))
    }

    private func answer(
        _ request: TextRequest, _ fields: GenerationFields, kind: CompletionResponse.Kind, _ context: QuernRequestContext
    ) async throws -> Response {
        let generation = try model.generate(request)
        context.channel.closeFuture.whenComplete { _ in generation.cancel() }
        let prefix = kind == .chat ? "chatcmpl-" : "cmpl-"
        let response = CompletionResponse(
            kind: kind, id: prefix + UUID().uuidString.lowercased().filter { $0 != "-" }, model: model.info.id,
            created: Int(Date().timeIntervalSince1970), fingerprint: fingerprint)
        if fields.stream {
            return EventStream(generation: generation, response: response, includesUsage: fields.includeUsage, limits: limits)
                .response(logger: context.logger)
        }
        return try await whole(generation, response, context)
    }

    private func whole(
        _ generation: TextGeneration, _ response: CompletionResponse, _ context: QuernRequestContext
    ) async throws -> Response {
        var text = ""
        for await event in generation {
            switch event {
            case .started: break
            case .text(let piece, _): text += piece
            case .finished(let reason, let usage, let timings):
                context.logger.logCompletion(reason, usage, timings)
                return Response(response.whole(text: text, finishReason: reason.rawValue, Measurements(usage, timings)))
            case .failed(let error): throw error
            }
        }
        throw APIError(status: 503, type: "unavailable_error", code: "shutting_down", message: "the daemon is shutting down")
    }
}
