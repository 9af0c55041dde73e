// What is wrong with a model file: which file, which field, where, and what was found.
import QuernTensor

public struct CheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// There is no such file.
        case missing
        /// It exists and cannot be opened, or is not a regular file.
        case unreadable
        /// Its bytes break the format.
        case malformed
        /// Its bytes are valid and this build cannot use them.
        case unsupported
        /// Its parts contradict each other.
        case inconsistent
        /// The operating system failed while reading or writing.
        case io
    }

    public let code: Code
    public let file: String
    public let field: String
    public let byteOffset: Int?
    public let detail: String

    public init(_ code: Code, file: String, field: String, byteOffset: Int? = nil, detail: String) {
        self.code = code
        self.file = file
        self.field = field
        self.byteOffset = byteOffset
        self.detail = detail
    }

    init(_ error: FileError, file: String, field: String) {
        let code: Code
        switch error {
        case .system("open", let number): code = number == 2 ? .missing : .unreadable
        case .system: code = .io
        case .notRegular: code = .unreadable
        case .changed: code = .malformed
        }
        self.init(code, file: file, field: field, detail: error.description)
    }

    /// One line: `FILE: field at byte N: detail`.
    public var description: String {
        let place = byteOffset.map { " at byte \($0)" } ?? ""
        return field.isEmpty ? "\(file): \(detail)" : "\(file): \(field)\(place): \(detail)"
    }
}

/// Text from a file as it may be shown: control characters escaped, at most 128 bytes.
func printable(_ bytes: some Collection<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(128), as: UTF8.self)
    var shown = ""
    for scalar in text.unicodeScalars {
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar == "\"" {
            shown += scalar.escaped(asASCII: true)
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
    return bytes.count > 128 ? shown + "…" : shown
}
