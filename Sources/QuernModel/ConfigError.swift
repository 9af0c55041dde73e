// Which value of a configuration is unusable, and why.

public struct ConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    /// JSON Pointer of the value.
    public let pointer: String
    public let reason: String

    public init(pointer: String, reason: String) {
        self.pointer = pointer
        self.reason = reason
    }

    public var description: String { "\(pointer) \(reason)" }
}
