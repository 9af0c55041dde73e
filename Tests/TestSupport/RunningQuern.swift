// `quern` in the background with its stderr in a file, and listening sockets of the test's own.
import Foundation
import Glibc

public final class RunningQuern: @unchecked Sendable {
    public let process = Process()
    private let folder: TemporaryFolder
    private let logPath: String

    /// - Parameter shell: commands for a shell to run first, such as `umask 077`.
    public init(_ arguments: [String], shell: String? = nil, environment: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        logPath = try folder.write("log", [])
        process.executableURL = URL(filePath: shell == nil ? QuernBinary.path : "/bin/sh")
        process.arguments = shell.map { ["-c", $0 + "; exec \"$0\" \"$@\"", QuernBinary.path] + arguments } ?? arguments
        process.environment = QuernBinary.cleanEnvironment(environment)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: URL(filePath: logPath))
        try process.run()
    }

    deinit {
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitForEnd()
        }
    }

    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Waits for `text` in the log; false when it ends or takes too long without.
    public func waitForLog(_ text: String, seconds: Double = 60) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            if log.contains(text) { return true }
            if !process.isRunning { return log.contains(text) }
            usleep(20_000)
        }
        return false
    }
}

/// A Unix socket that the test owns.
public final class UnixListener {
    public let descriptor: Int32
    public let path: String

    /// - Parameter type: a stream socket is made to listen; a datagram socket receives.
    public init(_ path: String, type: __socket_type = SOCK_STREAM) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(type.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in target.copyBytes(from: path.utf8.prefix(target.count - 1)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, type == SOCK_DGRAM || listen(descriptor, 16) == 0 else {
            throw TestDaemon.Failure(description: "\(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// The next datagram as text; nil after ten seconds of silence.
    public func receive() -> String? {
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
