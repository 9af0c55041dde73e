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
        // Ten of the twenty seconds count, which leaves eight for everybody's turn on a busy machine.
        let daemon = try TestDaemon(arguments: ["--context", "512", "--max-sequences", "1", "--queue-timeout", "18s"])
        let expected = try pieces(HTTPAnswer(try send(daemon.socket, stream: true, tokens: 400).readToEnd()))
        let stream = try send(daemon.socket, stream: true, tokens: 400)
        var received = try stream.readSome()
        // They take the tiny model longer together than it takes to send them.
        let waiting = try (0..<10).map { _ in try send(daemon.socket, stream: false, tokens: 400) }
        #expect(try daemon.request("GET", "/health").status == 200)
        kill(daemon.process.processIdentifier, SIGSTOP)
        let meanwhile = try send(daemon.socket, stream: false, tokens: 4)
        sleep(20)
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
        let stream = try send(daemon.socket, stream: true, tokens: 400)
        var received = try stream.readSome()
        let waiting = try (0..<60).map { _ in try send(daemon.socket, stream: false, tokens: 400) }
        // What was sent has to have come as far as the queue.
        func queued() throws -> Int {
            let text = String(decoding: try daemon.request("GET", "/metrics").body, as: UTF8.self)
            let line = text.split(separator: "\n").first { $0.hasPrefix("quern_requests_waiting ") }
            return line.flatMap { Int($0.dropFirst("quern_requests_waiting ".count)) } ?? 0
        }
        for _ in 0..<100 where try queued() < 10 {}
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

    /// Memory that another program takes: what is kept is given up, who comes is told to come back, until there is memory again.
    @Test(.enabled(if: Namespaces.canHideMemory, "needs root and mount namespaces"))
    func memoryThatBecomesShort() throws {
        let folder = try TemporaryFolder()
        let meminfo = try folder.write("meminfo", Array("MemAvailable: 8000000 kB\n".utf8))
        let daemon = try RunningQuern(
            ["serve", QuernBinary.tinyChat, "--socket", folder.path("q.sock"), "--threads", "1", "--context", "512"],
            shell: Namespaces.hidingMemory(behind: meminfo))
        #expect(daemon.waitForLog("ready"))
        let prompt = (0..<300).map { String(60 + $0 * 7 % 100) }.joined(separator: ",")
        func ask() throws -> HTTPAnswer {
            let body = #"{"prompt":[\#(prompt)],"max_tokens":1}"#
            let connection = try UnixConnection(folder.path("q.sock"))
            try connection.send(Array(
                ("POST /v1/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nConnection: close\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8))
            return try HTTPAnswer(connection.readToEnd())
        }
        func cached(_ answer: HTTPAnswer) -> Int64? {
            answer.json["usage"]?["prompt_tokens_details"]?["cached_tokens"]?.intValue
        }
        #expect(try cached(ask()) == 0)
        #expect(try cached(ask()) ?? 0 > 0)
        // In place: the mount holds on to the file, not to its name.
        func leave(_ kilobytes: Int) throws {
            let file = try FileHandle(forWritingTo: URL(filePath: meminfo))
            try file.write(contentsOf: Array("MemAvailable: \(kilobytes) kB\n".utf8))
            try file.truncate(atOffset: try file.offset())
            try file.close()
        }
        try leave(20_000)
        #expect(daemon.waitForLog("memory is short"))
        let refusal = try ask()
        #expect(refusal.status == 503 && refusal.error["code"] == "memory_short")
        #expect(refusal.head.lowercased().contains("retry-after"))
        try leave(8_000_000)
        #expect(daemon.waitForLog("there is memory again"))
        #expect(try cached(ask()) == 0)
        #expect(try cached(ask()) ?? 0 > 0)
    }

    /// Threads that the system does not start: said, and neither waited for nor a trap.
    @Test(.enabled(if: Namespaces.canLimitThreads, "needs root, setpriv and prlimit"), arguments: [3, 5, 7, 9], ["serve", "run"])
    func threadsThatAreNotStarted(_ limit: Int, _ command: String) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.url.path)
        for (name, source) in [("quern", QuernBinary.path), ("model", QuernBinary.tinyChat)] {
            try FileManager.default.copyItem(
                at: URL(filePath: source).resolvingSymlinksInPath(), to: URL(filePath: folder.path(name)))
        }
        try #require(try QuernBinary.run(["-R", "a+rX", folder.path("quern"), folder.path("model")], executable: "/bin/chmod").status == 0)
        let arguments = command == "serve" ? ["--socket", folder.path("q.sock")] : ["hi", "--local", "--max-tokens", "2", "--model"]
        let result = try QuernBinary.run(
            ["-s", "KILL", "60", "setpriv", "--reuid=64990", "--regid=64990", "--clear-groups", "prlimit", "--nproc=\(limit)",
             folder.path("quern"), command] + arguments + [folder.path("model")],
            executable: "/usr/bin/timeout")
        // On one processor an answer needs six threads.
        if command == "run", limit > 5, result.status == 0 { return }
        #expect(result.status == 71, "\(result.status) \(result.error)")
        #expect(result.error.contains("quern: ") && result.error.contains("ulimit -u"), "\(result.error)")
    }
}

/// What root may do to a process alone.
private enum Namespaces {
    static let canHideMemory = run("unshare -m sh -c 'mount --bind /dev/null /proc/meminfo'")
    static let canLimitThreads = run("setpriv --reuid=64990 --regid=64990 --clear-groups prlimit --nproc=9 true")

    /// For `RunningQuern`: /proc/meminfo is another file for the process.
    static func hidingMemory(behind path: String) -> String {
        "exec unshare -m /bin/sh -c 'mount --bind \(path) /proc/meminfo && exec \"$0\" \"$@\"' \"$0\" \"$@\""
    }

    private static func run(_ command: String) -> Bool {
        getuid() == 0 && (try? QuernBinary.run(["-c", command], executable: "/bin/sh").status) == 0
    }
}
