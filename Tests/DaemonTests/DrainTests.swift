// The end of a daemon that is busy: who finishes, who is turned away, and what is cut off.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct DrainTests {
    private func send(_ daemon: TestDaemon, stream: Bool) throws -> UnixConnection {
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"max_tokens":400,"ignore_eos":true,"stream":\#(stream)}"#
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nConnection: close\r\n"
        try connection.send(Array((head + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8))
        return connection
    }

    private func rest(_ connection: UnixConnection) throws -> String { String(decoding: try connection.readToEnd(), as: UTF8.self) }

    /// 32 streams run and 100 requests wait: the streams end as they would have, the others are told to come back, new ones too.
    @Test func streamsFinishAndTheQueueIsTurnedAway() throws {
        let daemon = try TestDaemon(arguments: ["--context", "512", "--max-sequences", "32"])
        let chat = try UnixConnection(daemon.socket)
        let late = #"{"messages":[{"role":"user","content":"go"}]}"#
        try chat.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(late.utf8.count)\r\n\r\n{".utf8))
        let streams = try (0..<32).map { _ in try send(daemon, stream: true) }
        var received = try streams.map { String(decoding: try $0.readSome(), as: UTF8.self) }
        let waiting = try (0..<100).map { _ in try send(daemon, stream: false) }
        // Everything that was sent has arrived once a later request was answered.
        #expect(try daemon.request("GET", "/health").status == 200)
        let start = ContinuousClock.now
        daemon.process.terminate()
        #expect(daemon.waitForLog("draining"))
        // The rest of a request that had begun.
        try? chat.send(Array(late.utf8.dropFirst()))
        let refusal = try rest(chat)
        #expect(refusal.hasPrefix("HTTP/1.1 503") && refusal.contains("shutting_down"), "\(refusal)")
        #expect(refusal.lowercased().contains("connection: close") && refusal.lowercased().contains("retry-after"), "\(refusal)")
        for index in streams.indices { received[index] += try rest(streams[index]) }
        #expect(received.allSatisfy { $0.contains("data: [DONE]") && !$0.contains("\"error\"") })
        let answers = try waiting.map { try HTTPAnswer(Array(try rest($0).utf8)) }
        #expect(answers.allSatisfy { $0.status == 200 || ($0.status == 503 && $0.error["code"] == "shutting_down") })
        #expect(answers.contains { $0.status == 503 && $0.head.lowercased().contains("retry-after") })
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
        #expect(ContinuousClock.now - start < .seconds(32))
        #expect((try? UnixConnection(daemon.socket)) == nil)
    }

    /// Streams that take too long end with an error and without `[DONE]`, and the daemon still ends well.
    @Test func whatTakesTooLongIsCutOff() throws {
        let daemon = try TestDaemon(arguments: ["--context", "512", "--max-sequences", "32", "--drain-timeout", "0s"])
        let streams = try (0..<32).map { _ in try send(daemon, stream: true) }
        var received = try streams.map { String(decoding: try $0.readSome(), as: UTF8.self) }
        daemon.process.terminate()
        for index in streams.indices { received[index] += try rest(streams[index]) }
        #expect(received.allSatisfy { $0.contains("shutting_down") != $0.contains("data: [DONE]") })
        #expect(received.contains { $0.contains("shutting_down") })
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
    }
}
