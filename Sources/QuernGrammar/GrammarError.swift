// Why a constraint cannot be used, and where in the client's document.

public struct GrammarError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// Malformed, or allows no text at all.
        case invalid
        /// A keyword that cannot be enforced: refused, never ignored.
        case unsupported
        /// A limit of `GrammarLimits` was reached.
        case tooComplex
        /// The task that asked was cancelled.
        case cancelled
    }

    public let kind: Kind
    /// JSON Pointer into a schema; empty for the document itself and for other sources.
    public let pointer: String
    /// Offset of the offending byte in a regular expression or grammar.
    public let byteOffset: Int?
    public let reason: String

    init(_ kind: Kind, _ reason: String, pointer: String = "", byteOffset: Int? = nil) {
        self.kind = kind
        self.pointer = pointer
        self.byteOffset = byteOffset
        self.reason = reason
    }

    /// The same error, placed in a schema.
    func at(_ pointer: String) -> GrammarError {
        GrammarError(kind, reason, pointer: pointer, byteOffset: byteOffset)
    }

    public var description: String {
        let place = byteOffset.map { " at byte \($0)" } ?? ""
        return pointer.isEmpty ? reason + place : "\(pointer): \(reason)\(place)"
    }
}

/// At most 64 bytes of a client's text, for an error message.
func excerpt(_ text: String) -> String {
    let clipped = text.unicodeScalars.prefix(48)
    let shown = clipped.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : String($0) }.joined()
    return clipped.endIndex == text.unicodeScalars.endIndex ? shown : shown + "…"
}
