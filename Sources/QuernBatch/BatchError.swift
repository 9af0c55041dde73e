// What ends a batch as a whole; a bad row never does.

public struct BatchError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// A file is not what it should be.
        case malformed
        /// A path leads to something that is no file.
        case notAFile
        /// Somebody else writes the results.
        case busy
        /// The system said no: a full disk, a missing folder.
        case system
    }

    public let kind: Kind
    public let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
