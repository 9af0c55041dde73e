// POST /v1/schema/check.
import QuernJSON

public struct SchemaCheckRequest: Sendable {
    public var schema: JSONValue

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        guard let schema = fields.value("schema") else { throw .invalid("schema", "schema is missing") }
        self.schema = schema
        try fields.finish()
    }
}
