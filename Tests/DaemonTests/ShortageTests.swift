// A machine that stops the daemon, hides its log or hands it what it did not ask for: answers stay the same.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ShortageTests {
    private func send(_ socket: String, stream: Bool, tokens: Int) throws -> UnixConnection {
        let connection = try UnixConnection(socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"max_tokens":\#(tokens),"ignore_eos":true,"temperature":0,"stream":\#(stream)}"#
        try connection.send(Array(
            ("POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8))
        return connection
    }

    /// The texts of a stream's events, without what differs between two requests.
    private func pieces(_ answer: HTTPAnswer) throws -> [String] {
        try answer.events.filter { $0 != "[DONE]" }.compactMap {
            try JSONValue(parsing: Array($0.utf8))["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue
        }
    }

    private func openFiles(_ daemon: TestDaemon) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.process.processIdentifier)/fd").count
    }

    /// Standing still for longer than a head or the queue may take ends nothing: not the stream, not who waits, not what is sent
    /// meanwhile.
    @Test func aStoppedDaemonGoesOn() throws {
        let daemon = try TestDaemon(arguments: ["--context", "512", "--max-sequences", "1", "--queue-timeout", "12s"])
        let expected = try pieces(HTTPAnswer(try send(daemon.socket, stream: true, tokens: 400).readToEnd()))
        let stream = try send(daemon.socket, stream: true, tokens: 400)
        var received = try stream.readSome()
        // They take the tiny model longer together than it takes to send them.
        let waiting = try (0..<10).map { _ in try send(daemon.socket, stream: false, tokens: 400) }
        #expect(try daemon.request("GET", "/health").status == 200)
        kill(daemon.process.processIdentifier, SIGSTOP)
        let meanwhile = try send(daemon.socket, stream: false, tokens: 4)
        sleep(14)
        kill(daemon.process.processIdentifier, SIGCONT)
        received += try stream.readToEnd()
        #expect(expected.count > 100)
        #expect(try pieces(HTTPAnswer(received)) == expected)
        for connection in waiting { #expect(try HTTPAnswer(connection.readToEnd()).status == 200) }
        #expect(try HTTPAnswer(meanwhile.readToEnd()).status == 200)
    }

    /// Who waits too long is told to come back; who was started is not.
    @Test func waitingHasAnEnd() throws {
        let daemon = try TestDaemon(arguments: ["--context", "512", "--max-sequences", "1", "--queue-timeout", "1s"])
        let stream = try send(daemon.socket, stream: true, tokens: 480)
        var received = try stream.readSome()
        let waiting = try (0..<60).map { _ in try send(daemon.socket, stream: false, tokens: 400) }
        #expect(try daemon.request("GET", "/health").status == 200)
        kill(daemon.process.processIdentifier, SIGSTOP)
        usleep(1_300_000)
        kill(daemon.process.processIdentifier, SIGCONT)
        let refusals = try waiting.map { try HTTPAnswer($0.readToEnd()) }.filter { $0.status != 200 }
        #expect(!refusals.isEmpty)
        for refusal in refusals {
            #expect(refusal.status == 503)
            #expect(refusal.error["code"] == "queue_timeout")
            #expect(refusal.head.lowercased().contains("retry-after"))
        }
        received += try stream.readToEnd()
        #expect(String(decoding: received, as: UTF8.self).contains("data: [DONE]"))
    }

    /// A full disk behind the log, and a reader of the log that has gone.
    @Test(arguments: ["exec 2>/dev/full", "rm -f log; mkfifo log; exec 3<>log 2>log 3>&-"])
    func aLogThatCannotBeWritten(_ shell: String) throws {
        let folder = try TemporaryFolder()
        let socket = folder.path("q.sock")
        let daemon = try RunningQuern(
            ["serve", QuernBinary.tinyChat, "--socket", socket, "--threads", "1", "--log-level", "debug"],
            shell: "cd '\(folder.url.path)'; \(shell)")
        for _ in 0..<500 where (try? UnixConnection(socket)) == nil { usleep(20_000) }
        for _ in 0..<50 {
            #expect(try HTTPAnswer(try send(socket, stream: false, tokens: 2).readToEnd()).status == 200)
        }
        daemon.process.terminate()
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
    }

    /// Descriptors that come with a request are not taken.
    @Test func descriptorsThatAreSentAreNotKept() throws {
        let daemon = try TestDaemon(arguments: ["--context", "256"])
        _ = try daemon.request("GET", "/health")
        let before = try openFiles(daemon)
        let connection = try UnixConnection(daemon.socket)
        for _ in 0..<200 {
            try connection.send(Array("GET /health HTTP/1.1\r\nHost: l\r\n\r\n".utf8), with: 0)
            #expect(String(decoding: try connection.readSome(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        }
        #expect(try openFiles(daemon) <= before + 1)
    }
}
