// /v1/files: what is uploaded comes back byte for byte, to its owner alone; what is no form is refused.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct FileTests {
    private let folder: TemporaryFolder
    private let daemon: TestDaemon

    init() throws {
        folder = try TemporaryFolder()
        daemon = try TestDaemon(folder: folder)
    }

    private func list(_ query: String = "") throws -> JSONValue { try daemon.request("GET", "/v1/files" + query).json }

    @Test func filesComeBackAsTheyWent() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        let made = try daemon.upload(bytes, filename: "odd \"name\" é.jsonl")
        #expect(made.status == 200, "\(made.json.serialized())")
        let id = try #require(made.json["id"]?.stringValue)
        #expect(made.json["object"] == "file" && made.json["purpose"] == "batch" && made.json["status"] == "processed")
        #expect(made.json["bytes"] == 300_000 && made.json["filename"] == "odd \"name\" é.jsonl")
        #expect(try daemon.request("GET", "/v1/files/\(id)").json == made.json)
        #expect(try daemon.request("GET", "/v1/files/\(id)/content").body == bytes)
        #expect(try list()["data"]?.arrayValue == [made.json])
        // Nobody else of this machine may look at them.
        for (path, mode) in [("state/batches", 0o700), ("state/batches/\(getuid())", 0o700), ("state/batches/\(getuid())/\(id).data", 0o600)] {
            let found = try FileManager.default.attributesOfItem(atPath: folder.path(path))[.posixPermissions] as? Int
            #expect(found == mode, "\(path)")
        }
        let gone = try daemon.request("DELETE", "/v1/files/\(id)")
        #expect(gone.json == ["id": .string(id), "object": "file", "deleted": true])
        #expect(try daemon.request("GET", "/v1/files/\(id)").error["code"] == "file_not_found")
        #expect(try daemon.request("DELETE", "/v1/files/\(id)").status == 404)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("state/batches/\(getuid())")).isEmpty)
    }

    @Test func listsHavePages() throws {
        let ids = try (0..<5).map { try #require(try daemon.upload(Array("{}\n".utf8), filename: "\($0)").json["id"]?.stringValue) }
        func page(_ query: String) throws -> [String?] { try list(query)["data"]?.arrayValue?.map { $0["id"]?.stringValue } ?? [] }
        #expect(try page("") == ids.reversed())
        #expect(try page("?order=asc&limit=2") == Array(ids[..<2]))
        #expect(try page("?order=asc&limit=2&after=\(ids[1])") == Array(ids[2..<4]))
        #expect(try list("?limit=4")["has_more"] == true && list("?after=\(ids[1])")["has_more"] == false)
        #expect(try page("?purpose=batch_output").isEmpty)
        for query in ["?limit=0", "?limit=x", "?order=up", "?after=file-none", "?purpose=x", "?page=2"] {
            let answer = try daemon.request("GET", "/v1/files" + query)
            #expect(answer.status == 400 && answer.error["param"]?.stringValue?.isEmpty == false, "\(query)")
        }
        // They are there after a kill, too.
        kill(daemon.process.processIdentifier, SIGKILL)
        daemon.process.waitForEnd()
        let next = try TestDaemon(folder: folder)
        #expect(Set(try next.request("GET", "/v1/files").json["data"]?.arrayValue?.map { $0["id"]?.stringValue } ?? []) == Set(ids))
        #expect(try next.request("GET", "/v1/files/\(ids[0])/content").body == Array("{}\n".utf8))
    }

    /// However a client spells and cuts the form, the file is the same.
    @Test(arguments: [1, 7, 4096]) func formsAreReadInAnyPieces(_ size: Int) throws {
        let text = "a\r\n--b\r\n--bound\r\r\n\r\n--boundarx\r\n--"
        let body = "preamble\r\n--boundary\r\nX-Other: 1\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n\(text)\r\n"
            + "--boundary\r\nContent-Disposition: form-data; name=purpose\r\n\r\nbatch\r\n--boundary--\r\nepilogue"
        let connection = try UnixConnection(daemon.socket)
        let head = "POST /v1/files HTTP/1.1\r\nHost: q\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Content-Type: multipart/form-data; charset=utf-8; boundary=\"boundary\"\r\n\r\n"
        try connection.send(Array(head.utf8))
        let bytes = Array(body.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) { try connection.send(Array(bytes[start..<min(bytes.count, start + size)])) }
        let answer = try HTTPAnswer(connection.readToEnd())
        #expect(answer.status == 200, "\(answer.json.serialized())")
        #expect(try daemon.request("GET", "/v1/files/\(answer.json["id"]?.stringValue ?? "")/content").body == Array(text.utf8))
    }

    private static let good = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
        + "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n"

    private static func changed(_ text: String, _ replacement: String) -> String { good.replacing(text, with: replacement) + "--b--" }

    private static let long = "--b\r\nX: " + String(repeating: "x", count: 9_000) + "\r\n\r\n"

    static let badForms: [(body: String, fault: String)] = [
        (good, "invalid_multipart"),
        ("", "invalid_multipart"),
        ("--c--\r\n", "invalid_multipart"),
        ("--b--", "file"),
        (good + good + "--b--", "purpose"),
        (good + "--bx", "invalid_multipart"),
        (changed("=\"file\"", "=\"upload\""), "upload"),
        (changed("batch", "fine-tune"), "purpose"),
        (changed("batch", String(repeating: "x", count: 300)), "purpose"),
        (changed("\"purpose\"", "\"file\""), "file"),
        (changed("form-data", "attachment"), "invalid_multipart"),
        (changed("\r\n\r\n", "\n\n"), "invalid_multipart"),
        (changed("\"f\"", "\"\""), "file"),
        (changed("\"f\"", "\"a\u{1}b\""), "file"),
        (changed("\"f\"", "\"" + String(repeating: "f", count: 256) + "\""), "file"),
        (changed("\"f\"", "\"f"), "invalid_multipart"),
        (long, "invalid_multipart"),
    ]

    @Test(arguments: badForms)
    func badFormsLeaveNothing(_ body: String, _ fault: String) throws {
        let answer = try daemon.request("POST", "/v1/files", bytes: Array(body.utf8), contentType: "multipart/form-data; boundary=b")
        #expect(answer.status == 400, "\(answer.json.serialized())")
        let said = [answer.error["param"]?.stringValue, answer.error["code"]?.stringValue]
        #expect(said.contains(fault), "\(answer.json.serialized())")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("state/batches/\(getuid())")).isEmpty)
    }

    @Test func otherBodiesAreRefused() throws {
        #expect(try daemon.request("POST", "/v1/files", ["purpose": "batch"]).status == 415)
        for type in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a", "multipart/form-data; boundary=a; boundary=b"] {
            #expect(try daemon.request("POST", "/v1/files", bytes: [], contentType: type).status == 400, "\(type)")
        }
        // Too large is said before anything is sent.
        let connection = try UnixConnection(daemon.socket)
        try connection.send(Array("POST /v1/files HTTP/1.1\r\nHost: q\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999\r\n\r\n".utf8))
        let answer = try HTTPAnswer(connection.readToEnd())
        #expect(answer.status == 413 && answer.error["code"] == "file_too_large")
    }

    /// A client that leaves in the middle of a file leaves no file.
    @Test func brokenUploadsLeaveNothing() throws {
        let connection = try UnixConnection(daemon.socket)
        let start = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n" + String(repeating: "x", count: 100_000)
        try connection.send(Array("POST /v1/files HTTP/1.1\r\nHost: q\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 200000\r\n\r\n\(start)".utf8))
        let user = folder.path("state/batches/\(getuid())")
        func names() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: user)) ?? [] }
        for _ in 0..<500 where names().isEmpty { usleep(10_000) }
        #expect(!names().isEmpty)
        connection.close()
        for _ in 0..<500 where !names().isEmpty { usleep(10_000) }
        #expect(names().isEmpty)
        #expect(try list()["data"] == [])
    }

    /// What does not fit on the disk is said, and leaves nothing.
    @Test func aFullDiskIsSaid() throws {
        let small = try TemporaryFolder()
        let (socket, state) = (small.path("q.sock"), small.path("state"))
        let quern = try RunningQuern(
            ["serve", QuernBinary.tinyChat, "--socket", socket, "--threads", "1", "--state-dir", state, "--log-level", "warning"],
            shell: "ulimit -f 64")      // blocks of a file: 64 KiB at most
        for _ in 0..<3_000 where (try? UnixConnection(socket)) == nil { usleep(10_000) }
        let large = String(repeating: "x", count: 300_000)
        let body = Self.good.replacing("{}", with: large) + "--b--"
        let connection = try UnixConnection(socket)
        let head = "POST /v1/files HTTP/1.1\r\nHost: q\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n"
        try connection.send(Array((head + "Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body).utf8))
        let answer = try HTTPAnswer(connection.readToEnd())
        #expect(answer.status == 507 && answer.error["code"] == "disk_full", "\(answer.json.serialized()) \(quern.log)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(state)/batches/\(getuid())").isEmpty)
        #expect(quern.process.isRunning)
    }

    @Test func oneDaemonKeepsAStateDirectory() throws {
        _ = try daemon.upload(Array("{}".utf8), filename: "f")
        let other = try TestDaemon(arguments: ["--state-dir", folder.path("state")])
        let answer = try other.request("GET", "/v1/files")
        #expect(answer.status == 501 && answer.error["message"]?.stringValue?.contains("--state-dir") == true)
        #expect(try other.request("GET", "/health").status == 200)
        chmod(folder.path("state"), 0o777)
        #expect(daemon.stop() == 0)
        #expect(try other.request("GET", "/v1/files").error["message"]?.stringValue?.contains("writable by others") == true)
    }
}
