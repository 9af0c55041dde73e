// A daemon for one test: private folder, private sockets, stopped when the test ends.
import Foundation
import QuernJSON

public final class TestDaemon: @unchecked Sendable {
    public let socket: String
    public let pipe: String
    public let process = Process()
    private let folder: TemporaryFolder
    private let logPath: String

    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    /// Starts `quern serve` and waits until it is ready.
    ///
    /// - Parameter model: nil leaves the choice to `arguments`.
    public init(model: String? = QuernBinary.tinyChat, arguments: [String] = [], folder: TemporaryFolder? = nil) throws {
        self.folder = try folder ?? TemporaryFolder()
        socket = self.folder.path("q.sock")
        pipe = self.folder.path("q.pipe")
        logPath = self.folder.path("log")
        try Data().write(to: URL(filePath: logPath))
        process.executableURL = URL(filePath: QuernBinary.path)
        process.arguments = ["serve"] + [model].compactMap { $0 } + ["--socket", socket, "--pipe-socket", pipe, "--threads", "1"]
            + ["--state-dir", self.folder.path("state")] + arguments
        process.environment = QuernBinary.cleanEnvironment([:])
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: URL(filePath: logPath))
        try process.run()
        let deadline = Date(timeIntervalSinceNow: 60)
        while !isReady {
            guard process.isRunning else { throw Failure(description: "the daemon ended: \(log)") }
            guard Date() < deadline else { throw Failure(description: "the daemon is not ready: \(log)") }
            usleep(20_000)
        }
    }

    deinit {
        if process.isRunning {
            process.terminate()
            process.waitForEnd()
        }
    }

    private var isReady: Bool {
        FileManager.default.fileExists(atPath: pipe) && (try? request("GET", "/health").status) == 200
    }

    /// Everything it logged so far.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Waits for a line with `text` in the log.
    public func waitForLog(_ text: String, seconds: Double = 10) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            if log.contains(text) { return true }
            usleep(20_000)
        }
        return false
    }

    /// SIGTERM, then its exit status.
    public func stop() -> Int32 {
        process.terminate()
        process.waitForEnd()
        return process.terminationStatus
    }

    public func request(_ method: String, _ path: String, _ body: JSONValue? = nil) throws -> HTTPAnswer {
        try request(method, path, bytes: body.map { Array($0.serialized().utf8) })
    }

    /// One request on a connection of its own.
    public func request(
        _ method: String, _ path: String, bytes: [UInt8]?, contentType: String = "application/json"
    ) throws -> HTTPAnswer {
        let connection = try UnixConnection(socket)
        var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        if let bytes { head += "Content-Type: \(contentType)\r\nContent-Length: \(bytes.count)\r\n" }
        try connection.send(Array((head + "\r\n").utf8) + (bytes ?? []))
        return try HTTPAnswer(connection.readToEnd())
    }

    /// What the pipe socket answers to `prompt`, read to the end.
    public func askPipe(_ prompt: [UInt8]) throws -> String {
        let connection = try UnixConnection(pipe)
        try connection.send(prompt)
        connection.finishSending()
        return String(decoding: try connection.readToEnd(), as: UTF8.self)
    }
}

/// A parsed response.
public struct HTTPAnswer: Sendable {
    public let status: Int
    public let head: String
    public let body: [UInt8]

    public init(_ bytes: [UInt8]) throws {
        let blank = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: blank) }) else {
            throw TestDaemon.Failure(description: "no HTTP answer: \(String(decoding: bytes, as: UTF8.self))")
        }
        head = String(decoding: bytes[..<end], as: UTF8.self)
        status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
        let rest = bytes[(end + 4)...]
        body = head.lowercased().contains("transfer-encoding: chunked") ? Self.unchunked(rest) : Array(rest)
    }

    private static func unchunked(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        var rest = bytes
        while let lineEnd = rest.firstIndex(of: 13),
            let size = Int(String(decoding: rest[..<lineEnd], as: UTF8.self), radix: 16), size > 0
        {
            let start = lineEnd + 2
            out += rest[start..<min(rest.endIndex, start + size)]
            rest = rest.dropFirst(start + size + 2 - rest.startIndex)
        }
        return out
    }

    public var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    public var error: JSONValue { json["error"] ?? .null }

    /// The `data:` payloads of a server-sent event stream.
    public var events: [String] {
        String(decoding: body, as: UTF8.self).components(separatedBy: "\n\n")
            .filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
    }

    /// The events of a stream whose events have names; each name must be the `type` of its data.
    public func namedEvents() throws -> [JSONValue] {
        try String(decoding: body, as: UTF8.self).components(separatedBy: "\n\n").compactMap { block in
            guard block.hasPrefix("event: ") else { return nil }
            let lines = block.split(separator: "\n")
            guard lines.count == 2, lines[1].hasPrefix("data: ") else { throw TestDaemon.Failure(description: "no event: \(block)") }
            let json = try JSONValue(parsing: Array(lines[1].dropFirst(6).utf8))
            guard json["type"]?.stringValue == String(lines[0].dropFirst(7)) else {
                throw TestDaemon.Failure(description: "name and type differ: \(block)")
            }
            return json
        }
    }
}

extension TestDaemon {
    /// Posts a file for a batch.
    public func upload(_ bytes: [UInt8], filename: String) throws -> HTTPAnswer {
        let name = filename.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        let start = "--frontier\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
            + "--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(name)\"\r\nContent-Type: application/jsonl\r\n\r\n"
        return try request(
            "POST", "/v1/files", bytes: Array(start.utf8) + bytes + Array("\r\n--frontier--\r\n".utf8),
            contentType: "multipart/form-data; boundary=frontier")
    }
}
