// Why a template cannot be parsed or rendered, and where in its text.

public struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The template itself is malformed or uses something unknown.
        case syntax
        /// An operation failed while rendering.
        case runtime
        /// The template called `raise_exception`; the message is its text.
        case raised
        /// A limit on depth, steps or size was reached.
        case limit
    }

    public let kind: Kind
    public let message: String
    public let line: Int

    public init(_ kind: Kind, _ message: String, line: Int) {
        self.kind = kind
        self.message = message
        self.line = line
    }

    public var description: String { kind == .raised ? message : "\(message) (line \(line))" }
}

/// Bounds on what a template may do.
public struct TemplateLimits: Sendable {
    public var sourceBytes = 1 << 20
    /// Nesting of blocks and expressions, and depth of macro calls.
    public var depth = 100
    public var steps = 5_000_000
    public var outputBytes = 16 << 20
    public var rangeCount = 100_000

    public init() {}
}
