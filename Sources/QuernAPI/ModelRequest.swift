// POST /models/load and /models/unload.
import QuernJSON

public struct ModelRequest: Sendable {
    public let model: String

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        guard let name = try fields.string("model") else { throw .invalid("model", "model is missing") }
        model = name
        try fields.finish()
    }
}
