// An error, in the shape of OpenAI's API: HTTP status, type, code, and the field at fault.
import QuernJSON

public struct APIError: Error, Sendable, Equatable {
    public let status: Int
    public let type: String
    public let code: String?
    /// The request field at fault.
    public let param: String?
    public let message: String
    /// Further members of the error object, such as token counts.
    public var details = JSONObject()

    public init(status: Int, type: String, code: String? = nil, param: String? = nil, message: String) {
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.message = message
    }

    /// 400: something in the request is wrong.
    public static func invalid(_ param: String?, _ message: String, code: String? = nil) -> APIError {
        APIError(status: 400, type: "invalid_request_error", code: code, param: param, message: message)
    }

    public var json: JSONValue {
        var error = JSONObject()
        error.append("message", .string(message))
        error.append("type", .string(type))
        error.append("param", param.map { .string($0) } ?? .null)
        error.append("code", code.map { .string($0) } ?? .null)
        for member in details.members { error.append(member.key, member.value) }
        return ["error": .object(error)]
    }
}
