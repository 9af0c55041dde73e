// POST /v1/embeddings.
import QuernJSON

public struct EmbeddingRequest: Sendable {
    public static let maxInputs = 2048

    public enum Encoding: String, Sendable, CaseIterable {
        case float, base64
    }

    public enum Pooling: String, Sendable, CaseIterable {
        case last, mean
    }

    public var model: String?
    public var inputs: [PlainPrompt]
    public var encoding: Encoding
    public var pooling: Pooling
    /// The only length it can have is the model's own: a cut vector of a model not trained for that is noise.
    public var dimensions: Int?
    public var priority: PriorityName?

    public init(_ json: JSONValue) throws(APIError) {
        var fields = try RequestFields(json)
        model = try fields.string("model")
        inputs = try fields.prompts("input", limit: Self.maxInputs)
        encoding = try fields.choice("encoding_format", of: Encoding.self) ?? .float
        pooling = try fields.choice("pooling", of: Pooling.self) ?? .last
        dimensions = try fields.integer("dimensions", in: 1...(1 << 20))
        priority = try fields.choice("priority", of: PriorityName.self)
        try fields.readLabels()
        try fields.finish()
    }
}
