// The optional page on a loopback port, and whom it turns away.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct PageTests {
    private let daemon: TestDaemon
    private let port = UnixConnection.freePort()

    init() throws {
        daemon = try TestDaemon(arguments: ["--context", "256", "--http", "127.0.0.1:\(port)"])
        try #require(daemon.waitForLog("http://127.0.0.1:\(port)/"))
    }

    private func ask(
        _ method: String = "GET", _ path: String = "/", host: String? = nil, origin: String? = nil, body: String = ""
    ) throws -> HTTPAnswer {
        let connection = try UnixConnection(loopbackPort: port)
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(host ?? "127.0.0.1:\(port)")\r\nConnection: close\r\n"
        if let origin { head += "Origin: \(origin)\r\n" }
        if !body.isEmpty { head += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n" }
        try connection.send(Array("\(head)\r\n\(body)".utf8))
        return try HTTPAnswer(connection.readToEnd())
    }

    @Test func thePageNeedsNothingElse() throws {
        let answer = try ask()
        #expect(answer.status == 200)
        #expect(answer.head.lowercased().contains("content-type: text/html"))
        #expect(answer.head.contains("default-src 'none'"))
        let html = String(decoding: answer.body, as: UTF8.self)
        #expect(html.hasPrefix("<!doctype html>") && html.contains("/v1/chat/completions"))
        #expect(!html.contains("https://") && !html.contains("src="))
        #expect(try ask(host: "localhost:\(port)").status == 200)
        #expect(try ask("POST").status == 404)
    }

    @Test func itSpeaksTheSameInterface() throws {
        let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":4,\"ignore_eos\":true}"
        let answer = try ask("POST", "/v1/chat/completions", origin: "http://127.0.0.1:\(port)", body: body)
        #expect(answer.json["usage"]?["completion_tokens"] == 4)
        #expect(try ask("GET", "/props").json["device"] == .null)
        #expect(String(decoding: try ask("GET", "/metrics").body, as: UTF8.self).contains("quern_kv_cache_blocks"))
    }

    /// Names of other sites that point here, and pages of other sites, get nothing.
    @Test func strangersAreRefused() throws {
        for host in ["evil.example", "evil.example:\(port)", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:\(port)", ""] {
            let answer = try ask("GET", "/v1/models", host: host)
            #expect(answer.status == 403 || answer.status == 400, "\(host)")
        }
        for origin in ["http://evil.example", "https://127.0.0.1:\(port)", "http://127.0.0.1:1", "null"] {
            let answer = try ask("POST", "/v1/completions", origin: origin, body: "{\"prompt\":\"x\",\"max_tokens\":1}")
            #expect(answer.status == 403, "\(origin)")
            #expect(answer.error["code"] == "wrong_origin")
        }
    }

    @Test func onlyLoopbackAddresses() throws {
        for address in ["0.0.0.0:8080", "8080", "192.168.1.1:80", "127.0.0.1:0", "127.0.0.1:99999", "example.org:80"] {
            let result = try QuernBinary.run(["serve", QuernBinary.tinyChat, "--http", address])
            #expect(result.status == 2)
            #expect(result.error.contains("127.0.0.1:PORT"))
        }
    }
}
