// Runs the real `quern` binary: once to its end, or as a daemon on private sockets.
import Foundation
import QuernJSON

public enum QuernBinary {
    /// `QUERN_BINARY`, else beside the test bundle.
    public static let path = ProcessInfo.processInfo.environment["QUERN_BINARY"]
        ?? URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "quern").path

    /// The tiny chat checkpoint of our own making.
    public static let tinyChat = SharedData.repository.appending(path: "Tests/Fixtures/tiny-chat").path

    public struct Result: Sendable {
        public let status: Int32
        public let output: [UInt8]
        public let error: String
        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs to the end. The environment names no daemon and no model folder of the user.
    ///
    /// - Parameter executable: another program to run in the same way.
    public static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:], folder: URL? = nil,
        executable: String = path
    ) throws -> Result {
        let process = Process()
        process.executableURL = URL(filePath: executable)
        process.arguments = arguments
        process.environment = cleanEnvironment(environment)
        if let folder { process.currentDirectoryURL = folder }
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try process.run()
        let writer = Thread {
            try? stdin.fileHandleForWriting.write(contentsOf: input)
            try? stdin.fileHandleForWriting.close()
        }
        writer.start()
        let errors = Collector(stderr.fileHandleForReading)
        let limit = process.killLater()
        let output = [UInt8](stdout.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        limit.cancel()
        return Result(status: process.terminationStatus, output: output, error: errors.text())
    }

    /// This process's environment without settings, and with folders that do not exist.
    public static func cleanEnvironment(_ extra: [String: String]) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment
        for key in environment.keys where key.hasPrefix("QUERN_") { environment[key] = nil }
        environment["XDG_CONFIG_HOME"] = "/nonexistent"
        environment["XDG_RUNTIME_DIR"] = "/nonexistent"
        environment["XDG_DATA_HOME"] = "/nonexistent"
        return environment.merging(extra) { $1 }
    }
}

/// Reads a pipe on a thread of its own, so that neither side blocks the other.
private final class Collector: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)
    private var data = Data()

    init(_ handle: FileHandle) {
        Thread { [self] in
            data = handle.readDataToEndOfFile()
            done.signal()
        }.start()
    }

    func text() -> String {
        done.wait()
        return String(decoding: data, as: UTF8.self)
    }
}

extension Process {
    /// Kills the process after `seconds`: what hangs fails one test and not the whole run. Cancel when it has ended.
    func killLater(seconds: Double = 600) -> DispatchWorkItem {
        let item = DispatchWorkItem { [processIdentifier] in kill(processIdentifier, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: item)
        return item
    }

    /// Waits for the end; after `seconds` it is killed, and the status shows that.
    public func waitForEnd(seconds: Double = 120) {
        let limit = killLater(seconds: seconds)
        waitUntilExit()
        limit.cancel()
    }
}
