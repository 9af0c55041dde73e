// Another user of the machine: shut out while the sockets are private, a client of its own when they are opened.
//
// To be somebody else takes root; elsewhere these are skipped.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: getuid() == 0 && OtherUser.exists, "needs root, setpriv and curl")) struct OtherUserTests {
    private let folder: TemporaryFolder
    private let daemon: TestDaemon

    init() throws {
        folder = try TemporaryFolder()
        daemon = try TestDaemon(folder: folder)
    }

    private func open() {
        chmod(folder.url.path, 0o711)
        for path in [daemon.socket, daemon.pipe] { chmod(path, 0o666) }
    }

    @Test func privateSocketsAreShutToOthers() throws {
        #expect(try OtherUser.ask(daemon.socket, "/health").status != 0)
        // Once more with the sockets alone opened: the directory is the lock, as the daemon makes it.
        open()
        chmod(folder.url.path, 0o700)
        #expect(try OtherUser.ask(daemon.socket, "/health").status != 0)
        chmod(folder.url.path, 0o711)
        let answer = try OtherUser.ask(daemon.socket, "/health")
        #expect(answer.status == 0 && answer.text.contains("ok"), "\(answer.text)")
    }

    /// What one user's prompt left behind saves another user nothing, and shows in no figure of theirs.
    @Test func prefixesStayWithTheirUser() throws {
        open()
        let prompt = (0..<200).map { String(60 + $0 * 7 % 100) }.joined(separator: ",")
        let body = #"{"prompt":[\#(prompt)],"max_tokens":1}"#
        func cached(_ json: JSONValue) -> Int64? { json["usage"]?["prompt_tokens_details"]?["cached_tokens"]?.intValue }
        func ours() throws -> Int64? { cached(try daemon.request("POST", "/v1/completions", bytes: Array(body.utf8)).json) }
        func theirs(_ user: Int) throws -> Int64? {
            let answer = try OtherUser.ask(daemon.socket, "/v1/completions", body: body, as: user)
            return cached(try JSONValue(parsing: answer.output))
        }
        #expect(try ours() == 0)
        #expect((try ours() ?? 0) >= 128)
        #expect(try theirs(65_533) == 0)
        #expect((try theirs(65_533) ?? 0) >= 128)
        #expect(try theirs(65_532) == 0)
    }

    /// Files and batches are their owner's; to anybody else they are not there.
    @Test func filesStayWithTheirUser() throws {
        open()
        let row = #"{"custom_id":"a","body":{"messages":[{"role":"user","content":"x"}],"max_tokens":2}}"#
        let file = try #require(try daemon.upload(Array(row.utf8), filename: "mine").json["id"]?.stringValue)
        let request = #"{"input_file_id":"\#(file)","endpoint":"/v1/chat/completions","completion_window":"24h"}"#
        let batch = try #require(try daemon.request("POST", "/v1/batches", bytes: Array(request.utf8)).json["id"]?.stringValue)
        for path in ["/v1/files/\(file)", "/v1/files/\(file)/content", "/v1/batches/\(batch)"] {
            #expect(try daemon.request("GET", path).status == 200)
            #expect(try OtherUser.ask(daemon.socket, path).text.contains("not_found"))
        }
        for list in ["/v1/files", "/v1/batches"] { #expect(try OtherUser.ask(daemon.socket, list).text.contains(#""data":[]"#)) }
        #expect(try OtherUser.ask(daemon.socket, "/v1/batches", body: request).text.contains("file_not_found"))
        #expect(try OtherUser.ask(daemon.socket, "/v1/batches/\(batch)/cancel", body: "{}").text.contains("batch_not_found"))
    }

    /// One user's connections are counted apart from another's.
    @Test func aFullUserShutsOutNobodyElse() throws {
        open()
        var idle: [UnixConnection] = []
        for _ in 0..<256 { idle.append(try UnixConnection(daemon.socket)) }
        #expect(try daemon.request("GET", "/health").status == 503)
        #expect(try OtherUser.ask(daemon.socket, "/health").text.contains("ok"))
        for connection in idle { connection.close() }
    }

    /// Many users together: the 1,025th connection is the one too many, whoever makes it.
    @Test(.enabled(if: ThreadHold.isPossible, "needs python3")) func connectionsOfAllUsersAreCounted() throws {
        open()
        let holders = try (65_530..<65_534).map { try ConnectionHolder(daemon.socket, count: 256, user: $0) }
        var answer = try daemon.request("GET", "/health")
        for _ in 0..<500 where answer.status == 200 {
            usleep(10_000)
            answer = try daemon.request("GET", "/health")
        }
        #expect(answer.status == 503 && answer.error["code"] == "too_many_connections")
        #expect(answer.head.lowercased().contains("retry-after"))
        holders[0].end()
        for _ in 0..<500 where answer.status != 200 {
            usleep(10_000)
            answer = try daemon.request("GET", "/health")
        }
        #expect(answer.status == 200)
        for holder in holders { holder.end() }
    }

    /// One user has all slots and a queue behind them: another one's request is answered at once, and the answers stay what they were.
    @Test func slotsAreShared() throws {
        let shared = try TemporaryFolder()
        let daemon = try TestDaemon(arguments: ["--context", "512", "--max-sequences", "4"], folder: shared)
        chmod(shared.url.path, 0o711)
        chmod(daemon.socket, 0o666)
        let body = #"{"prompt":"abc","max_tokens":450,"ignore_eos":true,"temperature":0,"priority":"interactive"}"#
        let alone = try daemon.request("POST", "/v1/completions", bytes: Array(body.utf8)).json["choices"]
        let flood = try (0..<72).map { _ in
            let connection = try UnixConnection(daemon.socket)
            try connection.send(Array(
                "POST /v1/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
            return connection
        }
        // The other user's six, of the same length: first come, first served would answer them after the 72, however late curl starts.
        let curl = ["/usr/bin/curl", "-sS", "-Z", "--parallel-immediate", "--unix-socket", daemon.socket]
        let six = curl + ["-H", "Content-Type: application/json", "-d", body] + Array(repeating: "http://l/v1/completions", count: 6)
        #expect(try OtherUser.run(six).status == 0)
        for connection in flood { #expect(try HTTPAnswer(connection.readToEnd()).json["choices"] == alone) }
        let owners = daemon.log.split(separator: "\n").filter { $0.contains("answered") }.dropFirst().map { $0.contains("uid=65534") }
        let last = try #require(owners.lastIndex(of: true))
        #expect(owners.count == 78 && owners.endIndex - last > 6, "\(owners)")
        #expect(daemon.stop() == 0)
    }

    /// The kernel says who connected: by group permission, from a user namespace, and whoever holds the connection later.
    @Test func thePeerIsWhoConnected() throws {
        chmod(folder.url.path, 0o710)
        for path in [folder.url.path, daemon.socket] { chown(path, 0, 65_533) }
        chmod(daemon.socket, 0o660)
        #expect(try OtherUser.ask(daemon.socket, "/health", as: 65_531, group: 65_533).text.contains("ok"))
        #expect(try OtherUser.ask(daemon.socket, "/health", as: 65_531, group: 65_532).status != 0)

        let body = #"{"prompt":"abc","max_tokens":1}"#
        let curl = ["/usr/bin/curl", "-sS", "--unix-socket", daemon.socket, "-H", "Content-Type: application/json", "-d", body, "http://l/v1/completions"]
        if FileManager.default.isExecutableFile(atPath: "/usr/bin/unshare") {
            let answer = try OtherUser.run(["/usr/bin/unshare", "--user", "--map-root-user"] + curl, as: 65_533)
            #expect(answer.status != 0 || daemon.waitForLog("uid=65533"), "root of a namespace is the user who made it")
        }
        let connection = try UnixConnection(daemon.socket)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/setpriv")
        let head = "POST /v1/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        process.arguments = ["--reuid=65532", "--regid=65532", "--clear-groups", "/bin/sh", "-c", "printf '%s' \"$0\" >&0; cat <&0", head + body]
        process.standardInput = FileHandle(fileDescriptor: connection.descriptor)
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitForEnd()
        #expect(daemon.waitForLog("uid=0"))
        #expect(!daemon.log.contains("uid=65532"))
    }
}

/// Connections of another user that say nothing.
private final class ConnectionHolder {
    private let process = Process()
    private let input = Pipe()

    init(_ path: String, count: Int, user: Int) throws {
        let script = """
            import socket, sys
            held = [socket.socket(socket.AF_UNIX) for _ in range(\(count))]
            for connection in held: connection.connect(sys.argv[1])
            print("held", flush=True)
            sys.stdin.read()
            """
        process.executableURL = URL(filePath: "/usr/bin/setpriv")
        process.arguments = ["--reuid=\(user)", "--regid=\(user)", "--clear-groups", "/usr/bin/python3", "-c", script, path]
        process.standardInput = input
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        try #require(!output.fileHandleForReading.availableData.isEmpty, "no connections as \(user)")
    }

    func end() {
        try? input.fileHandleForWriting.close()
        process.waitForEnd()
    }

    deinit { end() }
}

/// `curl` under another uid.
private enum OtherUser {
    static let exists = ["/usr/bin/setpriv", "/usr/bin/curl"].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

    static func ask(
        _ socket: String, _ path: String, body: String? = nil, as user: Int = 65_534, group: Int? = nil
    ) throws -> QuernBinary.Result {
        let data = body.map { ["-H", "Content-Type: application/json", "-d", $0] } ?? []
        let curl = ["/usr/bin/curl", "-sS", "--max-time", "60", "--unix-socket", socket, "http://localhost\(path)"]
        return try run(curl + data, as: user, group: group)
    }

    static func run(_ command: [String], as user: Int = 65_534, group: Int? = nil) throws -> QuernBinary.Result {
        try QuernBinary.run(
            ["--reuid=\(user)", "--regid=\(group ?? user)", "--clear-groups"] + command, executable: "/usr/bin/setpriv")
    }
}
