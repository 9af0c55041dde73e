// Errors as the Messages API has them: other types, other statuses, an envelope of its own.
import QuernJSON

extension APIError {
    /// `param` and `code` are quern's own, for programs; clients of this API read type and message.
    public var messagesForm: (status: Int, json: JSONValue) {
        let (status, type) = messagesType
        var error = JSONObject()
        error.append("type", .string(type))
        error.append("message", .string(message))
        if let param { error.append("param", .string(param)) }
        if let code { error.append("code", .string(code)) }
        for member in details.members { error.append(member.key, member.value) }
        return (status, ["type": "error", "error": .object(error)])
    }

    private var messagesType: (status: Int, type: String) {
        switch status {
        case 401: (401, "authentication_error")
        case 403: (403, "permission_error")
        case 404: (404, "not_found_error")
        case 413: (413, "request_too_large")
        case 429: (429, "rate_limit_error")
        case 503 where type == "overloaded_error": (529, "overloaded_error")
        case 500...: (status, "api_error")
        default: (status, "invalid_request_error")
        }
    }
}
