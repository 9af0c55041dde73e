// Started by systemd: sockets passed as descriptors, and messages about readiness.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct ActivationTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Starts `quern serve` with `descriptors` as 3, 4, … and LISTEN_PID its own, as systemd does.
    private func start(_ descriptors: [Int32], environment: [String: String] = [:], pid: String = "$$") throws -> Activated {
        try Activated(
            script: "export LISTEN_PID=\(pid); exec \"$0\" \"$@\" 2>\"$LOG\"",
            arguments: [QuernBinary.path, "serve", QuernBinary.tinyChat, "--threads", "1", "--socket", folder.path("own.sock")],
            descriptors: descriptors, environment: environment.merging(["LOG": folder.path("log")]) { $1 })
    }

    private var log: String { (try? String(contentsOfFile: folder.path("log"), encoding: .utf8)) ?? "" }

    @Test(arguments: [["http", "pipe"], ["pipe", "http"], []]) func bothSocketsAreTaken(names: [String]) throws {
        let (first, second) = (try UnixListener(folder.path("a")), try UnixListener(folder.path("b")))
        let notices = try UnixListener(folder.path("notify"), type: SOCK_DGRAM)
        var environment = ["LISTEN_FDS": "2", "NOTIFY_SOCKET": folder.path("notify")]
        if !names.isEmpty { environment["LISTEN_FDNAMES"] = names.joined(separator: ":") }
        let daemon = try start([first.descriptor, second.descriptor], environment: environment)
        #expect(notices.receive()?.hasPrefix("STATUS=loading") == true)
        #expect(notices.receive()?.hasPrefix("READY=1\nSTATUS=serving tiny-chat") == true)
        let (http, pipe) = names.first == "pipe" ? (second, first) : (first, second)
        let connection = try UnixConnection(http.path)
        try connection.send(Array("GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".utf8))
        #expect(String(decoding: try connection.readToEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        let prompt = try UnixConnection(pipe.path)
        try prompt.send(Array("#quern {\"max_tokens\": 3}\nhello".utf8))
        prompt.finishSending()
        #expect(!String(decoding: try prompt.readToEnd(), as: UTF8.self).hasPrefix("quern: "))
        kill(daemon.pid, SIGTERM)
        #expect(notices.receive()?.hasPrefix("STOPPING=1") == true)
        #expect(daemon.wait() == 0)
        // The sockets are systemd's and stay.
        #expect(FileManager.default.fileExists(atPath: folder.path("a")) && FileManager.default.fileExists(atPath: folder.path("b")))
        #expect(!FileManager.default.fileExists(atPath: folder.path("own.sock")))
    }

    /// A manager that waits for signs of life gets them in half the time it waits, unless it waits for another process.
    @Test(arguments: [nil, "1"] as [String?]) func theWatchdogIsFed(pid: String?) throws {
        let first = try UnixListener(folder.path("a"))
        let notices = try UnixListener(folder.path("notify"), type: SOCK_DGRAM)
        var environment = ["LISTEN_FDS": "1", "NOTIFY_SOCKET": folder.path("notify"), "WATCHDOG_USEC": "100000"]
        environment["WATCHDOG_PID"] = pid
        let daemon = try start([first.descriptor], environment: environment)
        var (signs, isReady) = (0, false)
        while !isReady || (pid == nil && signs < 5), let notice = notices.receive() {
            if notice == "WATCHDOG=1" { signs += 1 }
            if notice.hasPrefix("READY=1") { isReady = true }
        }
        #expect(isReady && (pid == nil ? signs >= 5 : signs == 0))
        kill(daemon.pid, SIGTERM)
        #expect(daemon.wait() == 0)
    }

    /// An engine that does nothing although it has work: the health says so, and the manager hears no sign of life until it goes on.
    @Test(.enabled(if: ThreadHold.isPossible, "needs python3 and the right to trace")) func anEngineThatHangsIsNoticed() throws {
        let first = try UnixListener(folder.path("a"))
        let notices = try UnixListener(folder.path("notify"), type: SOCK_DGRAM)
        let environment = ["LISTEN_FDS": "1", "NOTIFY_SOCKET": folder.path("notify"), "WATCHDOG_USEC": "400000"]
        let daemon = try start([first.descriptor], environment: environment)
        defer { kill(daemon.pid, SIGKILL) }
        while let notice = notices.receive(), !notice.hasPrefix("READY=1") {}
        func health() throws -> HTTPAnswer {
            let connection = try UnixConnection(first.path)
            try connection.send(Array("GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".utf8))
            return try HTTPAnswer(connection.readToEnd())
        }
        let hold = try ThreadHold("quern.engine", of: daemon.pid)
        for _ in 0..<30 { #expect(notices.receive() == "WATCHDOG=1") }
        #expect(try health().status == 200, "an engine without work is well")
        let request = try UnixConnection(first.path)
        let body = #"{"prompt":"abc","max_tokens":4}"#
        try request.send(Array(
            "POST /v1/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        var answer = try health()
        for _ in 0..<100 where answer.status == 200 {
            _ = notices.receive()
            answer = try health()
        }
        #expect(answer.status == 503 && answer.error["code"] == "engine_stalled", "\(answer.json.serialized())")
        var signs = 0
        while signs < 50, notices.receive() != nil { signs += 1 }
        #expect(signs < 50, "the manager still hears that the daemon lives")
        hold.end()
        #expect(try HTTPAnswer(request.readToEnd()).status == 200)
        #expect(notices.receive() == "WATCHDOG=1")
        #expect(try health().status == 200)
        kill(daemon.pid, SIGTERM)
        #expect(daemon.wait() == 0)
    }

    /// The real thing that passes sockets on.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-socket-activate"), "needs systemd-socket-activate"))
    func systemdPassesTheSockets() throws {
        let (http, pipe) = (folder.path("h.sock"), folder.path("p.sock"))
        let daemon = Process()
        daemon.executableURL = URL(filePath: "/usr/bin/systemd-socket-activate")
        daemon.arguments = [
            "-l", http, "-l", pipe, "--fdname=http:pipe", QuernBinary.path, "serve", QuernBinary.tinyChat, "--threads", "1",
        ]
        daemon.environment = QuernBinary.cleanEnvironment([:])
        daemon.standardError = FileHandle.nullDevice
        try daemon.run()
        for _ in 0..<500 where !FileManager.default.fileExists(atPath: pipe) { usleep(20_000) }
        // The first connection starts the daemon and waits for it.
        var status = 503
        for _ in 0..<500 where status == 503 {
            let connection = try UnixConnection(http)
            try connection.send(Array("GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".utf8))
            status = try HTTPAnswer(connection.readToEnd()).status
            usleep(20_000)
        }
        #expect(status == 200)
        let prompt = try UnixConnection(pipe)
        try prompt.send(Array("#quern {\"max_tokens\": 3}\nhello".utf8))
        prompt.finishSending()
        #expect(!String(decoding: try prompt.readToEnd(), as: UTF8.self).hasPrefix("quern: "))
        daemon.terminate()
        daemon.waitForEnd()
        #expect(daemon.terminationStatus == 0)
        #expect(FileManager.default.fileExists(atPath: http) && FileManager.default.fileExists(atPath: pipe), "they are systemd's")
    }

    @Test func wrongDescriptorsAreRefused() throws {
        let stream = try UnixListener(folder.path("s"))
        let datagram = try UnixListener(folder.path("d"), type: SOCK_DGRAM)
        let tcp = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let file = open("/dev/null", O_RDONLY)
        defer {
            close(tcp)
            close(file)
        }
        for (descriptors, count, reason) in [
            ([datagram.descriptor], "1", "not a listening Unix stream socket"), ([tcp], "1", "not a listening"),
            ([file], "1", "not a listening"), ([stream.descriptor, file], "2", "descriptor 4"), ([], "0", "LISTEN_FDS is \"0\""),
            ([stream.descriptor], "many", "LISTEN_FDS"), ([stream.descriptor], "3", "LISTEN_FDS is \"3\""),
        ] as [([Int32], String, String)] {
            let daemon = try start(descriptors, environment: ["LISTEN_FDS": count])
            #expect(daemon.wait() == 78)
            #expect(log.contains(reason), "\(log)")
        }
    }

    /// Variables meant for another process are none of ours.
    @Test func othersDescriptorsAreLeftAlone() throws {
        let stream = try UnixListener(folder.path("s"))
        let daemon = try start([stream.descriptor], environment: ["LISTEN_FDS": "1"], pid: "1")
        for _ in 0..<500 where (try? UnixConnection(folder.path("own.sock"))) == nil { usleep(20_000) }
        #expect(FileManager.default.fileExists(atPath: folder.path("own.sock")))
        kill(daemon.pid, SIGTERM)
        #expect(daemon.wait() == 0)
    }
}

/// A child with descriptors of our choice.
private struct Activated {
    let pid: pid_t

    init(script: String, arguments: [String], descriptors: [Int32], environment: [String: String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Out of the way first: a target may be another's source.
        let copies = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 100) }
        defer { for copy in copies { close(copy) } }
        for (index, copy) in copies.enumerated() { posix_spawn_file_actions_adddup2(&actions, copy, Int32(3 + index)) }
        let argv = (["/bin/sh", "-c", script] + arguments).map { strdup($0) } + [nil]
        let envp = QuernBinary.cleanEnvironment(environment).map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, "/bin/sh", &actions, nil, argv, envp)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EINVAL) }
        self.pid = pid
    }

    /// Its exit status once it ended.
    func wait() -> Int32 {
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }
}
