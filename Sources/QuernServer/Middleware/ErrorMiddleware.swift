// Every failure becomes an error object; without this the server library answers an empty 500 and logs it as debug.
import Hummingbird
import Logging
import NIOCore
import Quern
import QuernAPI
import QuernJSON

struct ErrorMiddleware: RouterMiddleware {
    let metrics: Metrics

    func handle(
        _ request: Request, context: QuernRequestContext,
        next: (Request, QuernRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let failure = Self.convert(error, request)
            let code = failure.code ?? failure.type
            if failure.status == 429 || failure.status == 503 { metrics.countRefusal(code) }
            // Never what the client sent, except where the fault is ours.
            context.logger.log(
                level: failure.status == 500 ? .error : .info, "refused",
                metadata: ["status": "\(failure.status)", "code": "\(code)"].merging(
                    failure.status == 500 ? ["error": "\(failure.message)"] : [:]) { $1 })
            return Response(failure, to: request)
        }
    }

    private static func convert(_ error: any Error, _ request: Request) -> APIError {
        switch error {
        case let error as APIError: return error
        case let error as RequestError: return APIError(error)
        case let error as ModelLoadFailure: return .invalid("model", error.description, code: "bad_model_file")
        case let error as JSONError: return .invalid(nil, "the request body is not valid JSON: \(error)", code: "invalid_json")
        case let error as HTTPError where error.status == .notFound:
            return APIError(
                status: 404, type: "not_found_error", code: "unknown_route",
                message: "there is no \(request.method.rawValue) \(request.uri.path.prefix(128))")
        case let error as HTTPError:
            return APIError(
                status: error.status.code, type: error.status.code < 500 ? "invalid_request_error" : "server_error",
                message: error.body ?? error.status.reasonPhrase)
        case is CancellationError:      // for the log: nobody is there to read it
            return APIError(status: 499, type: "client_closed_request", code: "client_closed", message: "the client is gone")
        default:
            return APIError(status: 500, type: "server_error", code: "internal", message: "internal error: \(type(of: error))")
        }
    }
}

extension Response {
    /// A JSON answer.
    init(status: HTTPResponse.Status = .ok, _ json: JSONValue) {
        self.init(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: json.serialized())))
    }

    /// In the envelope of the API that `request` speaks.
    init(_ error: APIError, to request: Request) {
        if request.uri.path == "/v1/messages" || request.uri.path.hasPrefix("/v1/messages/") {
            let (status, json) = error.messagesForm
            self.init(status: HTTPResponse.Status(code: status), json)
        } else {
            self.init(status: HTTPResponse.Status(code: error.status), error.json)
        }
        if error.status == 503 || error.status == 429 { headers[.retryAfter] = "1" }
        // The rest of such a request is not read, or nothing comes after it.
        let isLast = [413, 414].contains(error.status) || error.code == "invalid_http" || error.code == "shutting_down"
        if isLast { headers[.connection] = "close" }
    }
}
