// What a client is told whose bytes are not HTTP.
import NIOHTTP1
import QuernAPI

extension APIError {
    init(_ error: HTTPParserError) {
        switch error {
        case .headerOverflow:
            self.init(
                status: 431, type: "invalid_request_error", code: "headers_too_large", message: "the request's headers are too large")
        case .invalidVersion:
            self.init(
                status: 505, type: "invalid_request_error", code: "unsupported_version", message: "only HTTP/1.1 is spoken here")
        default:
            self = .invalid(
                nil, "this is not an HTTP request (\(error)); prompts as plain bytes go to the pipe socket", code: "invalid_http")
        }
    }
}
