// Why a document is not acceptable JSON, and where.

public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Offset of the offending byte.
    public let byteOffset: Int
    public let reason: String

    public init(byteOffset: Int, reason: String) {
        self.byteOffset = byteOffset
        self.reason = reason
    }

    public var description: String { "\(reason) at byte \(byteOffset)" }
}

/// Bounds on what the reader accepts.
public struct JSONLimits: Sendable {
    /// Nesting of arrays and objects.
    public var maxDepth: Int
    public var maxByteCount: Int

    public init(maxDepth: Int = 64, maxByteCount: Int = 1 << 30) {
        self.maxDepth = maxDepth
        self.maxByteCount = maxByteCount
    }
}
