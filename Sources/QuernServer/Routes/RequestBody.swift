// The body of a request as JSON: only that type, only so much, only plain.
import Hummingbird
import NIOCore
import QuernAPI
import QuernJSON

extension Surface {
    func json(_ request: Request) async throws -> JSONValue {
        try Self.checkType(request.headers)
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limits.bodyBytes {
            throw Self.tooLarge(limits.bodyBytes)
        }
        do {
            let body = try await request.body.collect(upTo: limits.bodyBytes)
            return try JSONValue(parsing: [UInt8](buffer: body))
        } catch is NIOTooManyBytesError {
            throw Self.tooLarge(limits.bodyBytes)
        }
    }

    private static func checkType(_ headers: HTTPFields) throws(APIError) {
        if let type = headers[.contentType] {
            let parts = type.lowercased().split(separator: ";").map { $0.trimmingWhitespace() }
            let isUTF8 = parts.dropFirst().allSatisfy { !$0.hasPrefix("charset=") || ["utf-8", "\"utf-8\""].contains($0.dropFirst(8)) }
            guard parts.first == "application/json", isUTF8 else {
                throw unsupported("the content type is \"\(type.prefix(64))\", expected application/json in UTF-8")
            }
        }
        if let coding = headers[.contentEncoding], coding.lowercased() != "identity" {
            throw unsupported("the content encoding is \"\(coding.prefix(64))\"; compressed requests are not accepted")
        }
    }

    private static func unsupported(_ message: String) -> APIError {
        APIError(status: 415, type: "invalid_request_error", code: "unsupported_media_type", message: message)
    }

    private static func tooLarge(_ limit: Int) -> APIError {
        APIError(
            status: 413, type: "request_too_large", code: "request_too_large",
            message: "the request body exceeds the limit of \(limit) bytes")
    }
}

extension Substring {
    func trimmingWhitespace() -> Substring {
        let start = drop { $0.isWhitespace }
        return start.lastIndex { !$0.isWhitespace }.map { start[...$0] } ?? ""
    }
}
