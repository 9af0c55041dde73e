// The commands that look after a daemon.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct OwnershipTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func stopWaitsForTheEnd() throws {
        let daemon = try TestDaemon()
        let pid = daemon.process.processIdentifier
        let stopped = try QuernBinary.run(["stop", "--json", "--socket", daemon.socket])
        #expect(stopped.status == 0, "\(stopped.error)")
        #expect(try JSONValue(parsing: stopped.output)["stopped"] == .int(Int64(pid)))
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
        let again = try QuernBinary.run(["stop", "--socket", daemon.socket])
        #expect(again.status == 69)
        #expect(again.error.contains("no daemon"))
    }

    @Test func stopNowCutsRequestsOff() throws {
        let daemon = try TestDaemon(arguments: ["--context", "512"])
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"ignore_eos":true,"stream":true}"#
        try connection.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        _ = try connection.readSome()
        #expect(try QuernBinary.run(["stop", "--now", "--socket", daemon.socket]).status == 0)
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 143)
    }

    /// A lock file that nobody holds names no daemon.
    @Test func aStaleLockIsNoDaemon() throws {
        try folder.write("q.sock.lock", Array("1\n".utf8))
        #expect(try QuernBinary.run(["stop", "--socket", folder.path("q.sock")]).status == 69)
    }

    @Test func statusSaysWhatRuns() throws {
        let daemon = try TestDaemon()
        let text = try QuernBinary.run(["status", "--socket", daemon.socket]).text
        #expect(text.contains("ready on \(daemon.socket), pid \(daemon.process.processIdentifier)"))
        #expect(text.contains("tiny-chat: qwen2, int8"))
        let json = try JSONValue(parsing: try QuernBinary.run(["status", "--json", "--socket", daemon.socket]).output)
        #expect(json["pid"] == .int(Int64(daemon.process.processIdentifier)))
        #expect(json["models"]?.arrayValue?.first?["id"] == "tiny-chat")
    }

    @Test func doctorFindsWhatIsWrong() throws {
        func doctor(_ arguments: String..., environment: [String: String] = [:]) throws -> (Int32, [String: JSONValue]) {
            let result = try QuernBinary.run(["doctor", "--json"] + arguments, environment: environment, folder: folder.url)
            let checks = try JSONValue(parsing: result.output)["checks"]?.arrayValue ?? []
            return (result.status, Dictionary(checks.map { ($0["name"]?.stringValue ?? "", $0) }) { first, _ in first })
        }
        let daemon = try TestDaemon()
        let (status, checks) = try doctor("--socket", daemon.socket)
        #expect(status == 0)
        #expect(checks["daemon"]?["detail"]?.stringValue?.contains("pid \(daemon.process.processIdentifier)") == true)
        #expect(checks["configuration"]?["state"] == "ok")
        #expect(checks["threads"]?["state"] == "ok")

        try folder.write("config.json", Array(#"{"models": {"gone": {"path": "/nonexistent.gguf"}}}"#.utf8))
        let (failed, found) = try doctor("--config", folder.path("config.json"), environment: ["QUERN_THREDS": "1"])
        #expect(failed == 1)
        #expect(found["model gone"]?["state"] == "failed")
        #expect(found["environment"]?["state"] == "warning")
        #expect(found["daemon"]?["state"] == "warning")
        try folder.write("config.json", Array(#"{"thread": 1}"#.utf8))
        let (broken, configuration) = try doctor("--config", folder.path("config.json"))
        #expect(broken == 1)
        #expect(configuration["configuration"]?["detail"]?.stringValue?.contains("did you mean \"threads\"?") == true)
        let text = try QuernBinary.run(["doctor", "--config", folder.path("config.json")]).text
        #expect(text.contains("failed   configuration"))
        #expect(text.contains("-> "))
    }

    @Test func limitsArePrinted() throws {
        let json = try JSONValue(parsing: try QuernBinary.run(["limits", "--json"]).output)
        #expect(json["socket"]?["path_bytes"] == 103)
        #expect(json["http"]?["body_bytes"] == .int(32 << 20))
        #expect(try QuernBinary.run(["limits"]).text.contains("request.stops 16"))
    }

    /// The log says what was done and never what was said.
    @Test func theLogHasNoPromptText() throws {
        let daemon = try TestDaemon()
        let secret = "xyzzy-plugh"
        _ = try daemon.askPipe(Array("#quern {\"max_tokens\": 3}\n\(secret)".utf8))
        _ = try daemon.request("POST", "/v1/chat/completions", ["messages": [["role": "user", "content": .string(secret)]], "max_tokens": 3])
        _ = try daemon.request("POST", "/v1/chat/completions", ["messages": [["role": "user", "content": .string(secret)]], "max_tokens": 0])
        #expect(daemon.waitForLog("answered"))
        #expect(!daemon.log.contains(secret))
        #expect(daemon.stop() == 0)
        #expect(!daemon.log.contains(secret))
    }
}
