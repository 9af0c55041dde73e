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
}

/// `curl` under another uid.
private enum OtherUser {
    static let exists = ["/usr/bin/setpriv", "/usr/bin/curl"].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

    static func ask(_ socket: String, _ path: String, body: String? = nil, as user: Int = 65_534) throws -> QuernBinary.Result {
        let data = body.map { ["-H", "Content-Type: application/json", "-d", $0] } ?? []
        return try QuernBinary.run(
            ["--reuid=\(user)", "--regid=\(user)", "--clear-groups", "/usr/bin/curl", "-sS", "--max-time", "60", "--unix-socket", socket,
             "http://localhost\(path)"] + data,
            executable: "/usr/bin/setpriv")
    }
}
