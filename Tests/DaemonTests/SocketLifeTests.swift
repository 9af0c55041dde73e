// The sockets' life: who may have them, what stands in the way, how they end.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite(.serialized) struct SocketLifeTests {
    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func socketsArePrivateAndGoneAtTheEnd() throws {
        let folder = try TemporaryFolder()
        let daemon = try TestDaemon(folder: folder)
        #expect(mode(daemon.socket) == 0o600)
        #expect(mode(daemon.pipe) == 0o600)
        #expect(daemon.stop() == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["log"])
    }

    @Test func aSecondDaemonIsRefused() throws {
        let daemon = try TestDaemon()
        let second = try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", daemon.socket])
        #expect(second.status == 75)
        #expect(second.error.contains("already serves \(daemon.socket)"))
        #expect(second.error.contains("pid \(daemon.process.processIdentifier)"))
        #expect(try daemon.request("GET", "/health").status == 200)
    }

    @Test func staleSocketsAreReplaced() throws {
        let folder = try TemporaryFolder()
        let first = try TestDaemon(folder: folder)
        kill(first.process.processIdentifier, SIGKILL)
        first.process.waitUntilExit()
        #expect(FileManager.default.fileExists(atPath: first.socket))
        let second = try TestDaemon(folder: folder)
        #expect(try second.request("GET", "/health").status == 200)
    }

    @Test func otherFilesAreNotReplaced() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("precious", Array("data".utf8))
        let result = try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", path])
        #expect(result.status == 1)
        #expect(result.error.contains("is not a socket"))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "data")
    }

    @Test func unusableDirectories() throws {
        let folder = try TemporaryFolder()
        func serve(_ socket: String) throws -> QuernBinary.Result { try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", socket]) }
        let missing = try serve("/proc/no/q.sock")
        #expect(missing.status == 77)
        #expect(missing.error.contains("/proc/no"))
        let open = folder.path("open")
        mkdir(open, 0o700)
        chmod(open, 0o777)
        let shared = try serve(open + "/q.sock")
        #expect(shared.status == 77)
        #expect(shared.error.contains("chmod 700"))
        let long = try serve(folder.path(String(repeating: "x", count: 120)))
        #expect(long.status == 2)
        #expect(long.error.contains("the system allows 103"))
        let file = try folder.write("file", [1])
        #expect(try serve(file + "/q.sock").error.contains("is not a directory"))
        let read = folder.path("read")
        mkdir(read, 0o500)
        if getuid() != 0 { #expect(try serve(read + "/q.sock").status == 77) }
    }

    @Test func theDefaultDirectoryIsPrivate() throws {
        let runtime = try TemporaryFolder()
        let daemon = Process()
        daemon.executableURL = URL(filePath: QuernBinary.path)
        daemon.arguments = ["serve", QuernBinary.tinyChat, "--threads", "1"]
        daemon.environment = ProcessInfo.processInfo.environment.merging(["XDG_RUNTIME_DIR": runtime.url.path]) { $1 }
        daemon.standardError = FileHandle.nullDevice
        try daemon.run()
        let socket = runtime.path("quern/quern.sock")
        // The two sockets come up independently of each other.
        for _ in 0..<1000 where mode(socket) != 0o600 || mode(runtime.path("quern/quern.pipe")) != 0o600 { usleep(20_000) }
        #expect(mode(runtime.path("quern")) == 0o700)
        #expect(mode(socket) == 0o600)
        let status = try QuernBinary.run(["status", "--json"], environment: ["XDG_RUNTIME_DIR": runtime.url.path])
        #expect(status.status == 0)
        #expect(status.text.contains("tiny-chat"))
        let answer = try QuernBinary.run(
            ["run", "--max-tokens", "4", "hello"], environment: ["XDG_RUNTIME_DIR": runtime.url.path])
        #expect(answer.status == 0, "\(answer.error)")
        #expect(answer.error.contains("daemon"))
        daemon.interrupt()
        daemon.waitUntilExit()
        #expect(daemon.terminationStatus == 0)
    }

    /// The daemon answers and closes as soon as it has read a head; the client must not mind.
    @Test func aQuickAnswerIsNeverLost() throws {
        let daemon = try TestDaemon()
        for _ in 0..<60 {
            let status = try QuernBinary.run(["status", "--json", "--socket", daemon.socket])
            #expect(status.status == 0, "\(status.error)")
        }
    }

    /// SIGTERM finishes what is running, also for a client that reads slowly, then exits.
    @Test(arguments: [0, 300_000] as [useconds_t]) func terminationDrains(_ pause: useconds_t) throws {
        let daemon = try TestDaemon()
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"max_tokens":300,"ignore_eos":true,"stream":true,"temperature":0}"#
        try connection.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        var received = try connection.readSome()
        daemon.process.terminate()
        usleep(pause)
        while true {
            let part = try connection.readSome()
            if part.isEmpty { break }
            received += part
        }
        #expect(String(decoding: received, as: UTF8.self).contains("data: [DONE]"))
        daemon.process.waitUntilExit()
        #expect(daemon.process.terminationStatus == 0)
    }
}
