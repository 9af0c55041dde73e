// What the HTTP socket answers to bytes that are no request, to too much and to too slow.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ConnectionTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    /// Sends bytes, then reads until the daemon closes. A daemon that closes early ends the sending.
    private func exchange(_ bytes: [UInt8]) throws -> String {
        let connection = try UnixConnection(daemon.socket, timeout: 20)
        try? connection.send(bytes)
        var received: [UInt8] = []
        do {
            while case let part = try connection.readSome(), !part.isEmpty { received += part }
        } catch {
            #expect("\(error)".contains("reset"), "the daemon does not close: \(error)")
        }
        return String(decoding: received, as: UTF8.self)
    }

    private func exchange(_ text: String) throws -> String { try exchange(Array(text.utf8)) }

    private func status(_ answer: String) -> Int { Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0 }

    private func post(_ headers: String, _ body: String = "{}") -> String {
        "POST /tokenize HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\n\(headers)\r\n\r\n\(body)"
    }

    /// Every one of these is answered or closed, with nothing after it taken for a request, and the daemon lives.
    @Test(arguments: [
        String(repeating: "A", count: 1 << 20), "Write a haiku about sockets\n", "GET / HTTP/0.9\r\n\r\n", "GET /health HTTP/1.1\nHost: l\n\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /health\0 HTTP/1.1\r\nHost: l\r\n\r\n", "GET  /health HTTP/1.1\r\nHost: l\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: l\r\nX : 1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: l\r\nX: 1\r\n folded\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: l\r\nX\u{FF}: 1\r\n\r\n", "GET /health HTTP/1.1\r\n\r\n", "\u{0}\u{1}\u{2}",
    ])
    func bytesThatAreNoRequest(_ text: String) throws {
        let answer = try exchange(text)
        #expect(answer.isEmpty || (400..<600).contains(status(answer)), "\(answer.prefix(200))")
        #expect(!answer.contains(#"{"status":"ok"}"#), "\(text.prefix(40).debugDescription)")
        #expect(try daemon.request("GET", "/health").status == 200)
    }

    @Test func promptsOnTheWrongSocketAreTold() throws {
        let answer = try exchange("Write a haiku\nabout sockets\n")
        #expect(status(answer) == 400)
        #expect(answer.contains("pipe socket"))
    }

    @Test(arguments: [
        "Content-Length: 2\r\nTransfer-Encoding: chunked", "Content-Length: 2\r\nContent-Length: 3", "Content-Length: +2",
        "Content-Length: 0x2", "Content-Length: 2, 2", "Content-Length: -1", "Content-Length: 2 2",
        "Content-Length: 18446744073709551616",
    ])
    func ambiguousLengths(_ header: String) throws {
        let smuggled = "GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"
        let answer = try exchange(post(header) + smuggled)
        #expect(status(answer) == 400, "\(answer)")
        #expect(!answer.contains(#"{"status":"ok"}"#))
    }

    @Test(arguments: ["-2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "fffffffffffffffff\r\n{}", "2\r\n{}0\r\n\r\n", "zz\r\n{}\r\n"])
    func brokenChunks(_ body: String) throws {
        let answer = try exchange(post("Transfer-Encoding: chunked", body))
        #expect(status(answer) == 400, "\(answer)")
        #expect(try daemon.request("GET", "/health").status == 200)
    }

    @Test func headsAreBounded() throws {
        let many = (0..<150).map { "X-\($0): 1" }.joined(separator: "\r\n")
        for headers in [many, "X: " + String(repeating: "a", count: 40_000)] {
            #expect(status(try exchange("GET /health HTTP/1.1\r\nHost: l\r\n\(headers)\r\n\r\n")) == 431)
        }
        let long = try exchange("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n")
        #expect(status(long) == 414)
    }

    @Test func bodiesAreBounded() throws {
        // Refused by its length, before it is read; and no invitation to send it.
        let declared = try exchange(post("Expect: 100-continue\r\nContent-Length: 40000000", ""))
        #expect(status(declared) == 413)
        var chunks = Array(post("Transfer-Encoding: chunked", "").utf8)
        let mebibyte = Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 1 << 20) + [13, 10]
        for _ in 0..<33 { chunks += mebibyte }
        #expect(status(try exchange(chunks + Array("0\r\n\r\n".utf8))) == 413)
        let invited = try exchange(post("Connection: close\r\nExpect: 100-continue\r\nContent-Length: 15", #"{"content":"a"}"#))
        #expect(invited.hasPrefix("HTTP/1.1 100"))
        #expect(invited.contains("200 OK"))
    }

    @Test func otherTypesAreRefused() throws {
        for header in [
            "Content-Encoding: gzip\r\nContent-Length: 2", "Content-Encoding: br\r\nContent-Length: 2",
        ] { #expect(status(try exchange(post(header + "\r\nConnection: close"))) == 415) }
        for (type, expected) in [
            ("text/plain", 415), ("application/json; charset=utf-16", 415), ("application/json;charset=UTF-8", 200),
            ("application/jsonx", 415), ("APPLICATION/JSON", 200),
        ] {
            let answer = try daemon.request("POST", "/tokenize", bytes: Array(#"{"content":"a"}"#.utf8), contentType: type)
            #expect(answer.status == expected, "\(type)")
        }
    }

    @Test func methodsAndPaths() throws {
        for (method, path, expected) in [
            ("GET", "/v1/chat/completions", 405), ("DELETE", "/health", 405), ("PUT", "/tokenize", 405), ("OPTIONS", "/v1/models", 405),
            ("TRACE", "/health", 405), ("GET", "/../etc/passwd", 404), ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404), ("GET", "/v1/nope", 404),
            ("POST", "/v1/completions/x", 404), ("GET", "/v1/models/..", 404),
        ] {
            let answer = try daemon.request(method, path)
            #expect(answer.status == expected, "\(method) \(path)")
            #expect(answer.error["message"]?.stringValue != nil, "\(method) \(path)")
        }
        #expect(try daemon.request("GET", "/v1/completions").head.lowercased().contains("allow: post"))
        let head = try daemon.request("HEAD", "/health")
        #expect(head.status == 200)
        #expect(head.body.isEmpty)
    }

    /// Requests sent ahead are answered in order; bytes that are no request end the connection after those before them.
    @Test func requestsSentAhead() throws {
        let one = post("Content-Length: 15", #"{"content":"a"}"#)
        let answer = try exchange(String(repeating: one, count: 50) + "garbage\r\n\r\n")
        #expect(answer.components(separatedBy: "200 OK").count == 51)
        #expect(answer.components(separatedBy: "HTTP/1.1 400").count == 2)
    }

    @Test func keptConnectionsServeManyRequests() throws {
        let connection = try UnixConnection(daemon.socket)
        for _ in 0..<20 {
            try connection.send(Array(post("Content-Length: 15", #"{"content":"a"}"#).utf8))
            #expect(String(decoding: try connection.readSome(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        }
    }

    /// Too many connections of one user: the one more is told so, and the others are served.
    @Test func connectionsAreCounted() throws {
        var idle: [UnixConnection] = []
        for _ in 0..<256 { idle.append(try UnixConnection(daemon.socket)) }
        let refused = try daemon.request("GET", "/health")
        #expect(refused.status == 503)
        #expect(refused.error["code"] == "too_many_connections")
        #expect(refused.head.lowercased().contains("retry-after"))
        try idle[7].send(Array("GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".utf8))
        #expect(String(decoding: try idle[7].readToEnd(), as: UTF8.self).contains("200 OK"))
        for connection in idle { connection.close() }
        var status = 0
        for _ in 0..<500 where status != 200 {
            status = try daemon.request("GET", "/health").status
            usleep(10_000)
        }
        #expect(status == 200)
    }

    /// All of these are too slow at once: a head that trickles, a body that stops, a body that trickles.
    @Test func slowRequestsAreGivenUp() throws {
        let connections = try (0..<3).map { _ in try UnixConnection(daemon.socket) }
        try connections[0].send(Array("GET /health HTTP/1.1\r\nHost: l\r\nX: ".utf8))
        try connections[1].send(Array(post("Content-Length: 100", "{").utf8))
        try connections[2].send(Array(post("Content-Length: 100", "").utf8))
        for _ in 0..<50 {
            try? connections[0].send([0x61])
            try? connections[2].send([0x20])
            usleep(250_000)
        }
        for connection in connections {
            #expect(status(String(decoding: (try? connection.readToEnd()) ?? [], as: UTF8.self)) == 408)
        }
        #expect(try daemon.request("GET", "/health").status == 200)
    }
}
