// Where reference data lies that is not part of the repository: vectors of public tokenizers, real checkpoints.
//
// Tests that need it name it in their `.enabled(if:)` condition and are skipped, visibly, where it is absent.
import Foundation

public enum SharedData {
    /// The repository's root.
    public static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// `QUERN_SHARED`, else `../shared/data` beside the repository.
    public static let folder = ProcessInfo.processInfo.environment["QUERN_SHARED"].map { URL(filePath: $0) }
        ?? repository.deletingLastPathComponent().appending(path: "shared/data")

    /// `QUERN_TEST_MODELS`, else `models` in the repository.
    public static let models = ProcessInfo.processInfo.environment["QUERN_TEST_MODELS"].map { URL(filePath: $0) }
        ?? repository.appending(path: "models")

    public static func has(_ paths: String...) -> Bool {
        paths.allSatisfy { FileManager.default.fileExists(atPath: folder.appending(path: $0).path) }
    }

    public static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: path))) }

    /// The lines of a JSONL file, split at newlines only.
    public static func lines(_ path: String) throws -> [[UInt8]] {
        try bytes(path).split(separator: 0x0A).map(Array.init)
    }

    /// A real checkpoint's path; nil when it was not fetched.
    public static func model(_ name: String) -> String? {
        let path = models.appending(path: name).path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    public static let qwenModel = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    public static let smolModel = "SmolLM2-135M-Instruct.Q4_1.gguf"
}

/// A folder that disappears with its owner.
public final class TemporaryFolder {
    public let url: URL

    public init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "quern-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    public func path(_ name: String) -> String { url.appending(path: name).path }

    @discardableResult public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: url.appending(path: name))
        return path(name)
    }
}
