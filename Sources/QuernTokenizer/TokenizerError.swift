// What is wrong with a tokenizer or with ids given to it.

public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Where: a JSON Pointer, a metadata key or an argument.
    public let field: String
    public let detail: String

    public init(field: String, detail: String) {
        self.field = field
        self.detail = detail
    }

    public var description: String { "tokenizer \(field): \(detail)" }
}
