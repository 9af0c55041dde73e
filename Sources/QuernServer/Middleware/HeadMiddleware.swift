// What is wrong with a request's head before any route is looked at.
import Hummingbird
import QuernAPI

struct HeadMiddleware: RouterMiddleware {
    let limits: ServerLimits

    func handle(
        _ request: Request, context: QuernRequestContext,
        next: (Request, QuernRequestContext) async throws -> Response
    ) async throws -> Response {
        guard (request.head.path ?? "").utf8.count <= limits.requestLineBytes else {
            throw APIError(
                status: 414, type: "invalid_request_error", code: "uri_too_long",
                message: "the request line exceeds the limit of \(limits.requestLineBytes) bytes")
        }
        guard request.head.authority != nil else { throw APIError.invalid(nil, "the Host header is missing", code: "invalid_http") }
        return try await next(request, context)
    }
}
