// The sockets' life: who may have them, what stands in the way, how they end.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite(.serialized) struct SocketLifeTests {
    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func socketsArePrivateAndGoneAtTheEnd() throws {
        let folder = try TemporaryFolder()
        let daemon = try TestDaemon(folder: folder)
        #expect(mode(daemon.socket) == 0o600)
        #expect(mode(daemon.pipe) == 0o600)
        #expect(daemon.stop() == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["log"])
    }

    @Test func aSecondDaemonIsRefused() throws {
        let daemon = try TestDaemon()
        let second = try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", daemon.socket])
        #expect(second.status == 75)
        #expect(second.error.contains("already serves \(daemon.socket)"))
        #expect(second.error.contains("pid \(daemon.process.processIdentifier)"))
        #expect(try daemon.request("GET", "/health").status == 200)
    }

    @Test func staleSocketsAreReplaced() throws {
        let folder = try TemporaryFolder()
        let first = try TestDaemon(folder: folder)
        kill(first.process.processIdentifier, SIGKILL)
        first.process.waitForEnd()
        #expect(FileManager.default.fileExists(atPath: first.socket))
        let second = try TestDaemon(folder: folder)
        #expect(try second.request("GET", "/health").status == 200)
    }

    /// What stands at the path and is not a leftover of ours stays as it is.
    @Test func otherFilesAreNotReplaced() throws {
        let folder = try TemporaryFolder()
        func refuses(_ path: String, _ reason: String) throws {
            let result = try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", path])
            #expect(result.status == 78)
            #expect(result.error.contains(path) && result.error.contains(reason), "\(result.error)")
        }
        let file = try folder.write("precious", Array("data".utf8))
        try refuses(file, "is not a socket")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "data")
        let directory = folder.path("directory")
        mkdir(directory, 0o700)
        try refuses(directory, "is not a socket")
        let link = folder.path("link")
        symlink(file, link)
        try refuses(link, "is not a socket")
        let other = try UnixListener(folder.path("other"))
        try refuses(folder.path("other"), "another program listens there")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted() == ["directory", "link", "other", "precious"])
        withExtendedLifetime(other) {}
    }

    @Test func unusableDirectories() throws {
        let folder = try TemporaryFolder()
        func serve(_ socket: String) throws -> QuernBinary.Result { try QuernBinary.run(["serve", QuernBinary.tinyChat, "--socket", socket]) }
        let missing = try serve("/proc/no/q.sock")
        #expect(missing.status == 78)
        #expect(missing.error.contains("/proc/no"))
        let open = folder.path("open")
        mkdir(open, 0o700)
        chmod(open, 0o777)
        let shared = try serve(open + "/q.sock")
        #expect(shared.status == 78)
        #expect(shared.error.contains("chmod 700"))
        let below = try serve(open + "/quern/q.sock")
        #expect(below.status == 78)
        #expect(below.error.contains("not sticky"))
        let long = try serve(folder.path(String(repeating: "x", count: 120)))
        #expect(long.status == 78)
        #expect(long.error.contains("the system allows 103"))
        let file = try folder.write("file", [1])
        #expect(try serve(file + "/q.sock").error.contains("is not a directory"))
        let abstract = try serve("@quern")
        #expect(abstract.status == 78)
        #expect(abstract.error.contains("abstract"))
        let read = folder.path("read")
        mkdir(read, 0o500)
        if getuid() != 0 { #expect(try serve(read + "/q.sock").status == 78) }
    }

    /// Many start at once: one serves, the others say who does.
    @Test func racingStartsHaveOneWinner() throws {
        let folder = try TemporaryFolder()
        let arguments = [
            "serve", QuernBinary.tinyChat, "--socket", folder.path("q.sock"), "--pipe-socket", folder.path("q.pipe"), "--threads", "1",
        ]
        let daemons = try (0..<20).map { _ in try RunningQuern(arguments) }
        while daemons.count(where: { $0.process.isRunning }) > 1 { usleep(10_000) }
        let winner = try #require(daemons.first { $0.process.isRunning })
        #expect(daemons.filter { $0 !== winner }.allSatisfy { $0.process.terminationStatus == 75 })
        #expect(winner.waitForLog("ready"))
        winner.process.terminate()
        winner.process.waitForEnd()
        #expect(winner.process.terminationStatus == 0)
    }

    @Test(arguments: ["000", "022", "077", "777"]) func theModeIsIndependentOfTheUmask(_ mask: String) throws {
        let folder = try TemporaryFolder()
        let socket = folder.path("new/q.sock")
        let daemon = try RunningQuern(["serve", QuernBinary.tinyChat, "--socket", socket, "--threads", "1"], shell: "umask \(mask)")
        #expect(daemon.waitForLog("ready"))
        #expect(mode(socket) == 0o600)
        #expect(mode(folder.path("new/quern.pipe")) == 0o600)
        #expect(mode(folder.path("new")) == 0o700)
        daemon.process.terminate()
        daemon.process.waitForEnd()
    }

    /// Somebody exchanges the directory for a link to one that everybody can write, over and over, while daemons start: they serve where
    /// they looked, or not at all.
    @Test func aDirectoryThatIsExchanged() throws {
        let folder = try TemporaryFolder()
        let (ours, away, theirs) = (folder.path("ours"), folder.path("away"), folder.path("theirs"))
        mkdir(theirs, 0o700)
        chmod(theirs, 0o777)
        mkdir(ours, 0o700)
        let attack = Thread {
            while !Thread.current.isCancelled {
                rename(ours, away)
                symlink(theirs, ours)
                usleep(20)
                unlink(ours)
                rename(away, ours)
                usleep(20)
            }
        }
        attack.start()
        defer { attack.cancel() }
        for _ in 0..<40 {
            let daemon = try RunningQuern(["serve", QuernBinary.tinyChat, "--socket", ours + "/q.sock", "--threads", "1"])
            let isServing = daemon.waitForLog("ready")
            if daemon.process.isRunning { kill(daemon.process.processIdentifier, SIGKILL) }
            daemon.process.waitForEnd()
            #expect(isServing || daemon.process.terminationStatus == 78, "\(daemon.log)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: theirs) == [])
        }
    }

    /// A name that was taken away is reported, and a successor's is not removed.
    @Test func lostNamesAreReportedAndSuccessorsStay() throws {
        let folder = try TemporaryFolder()
        let daemon = try TestDaemon(folder: folder)
        let open = try UnixConnection(daemon.socket)
        unlink(daemon.socket)
        #expect(daemon.waitForLog("socket name lost"))
        let successor = try UnixListener(daemon.socket)
        try open.send(Array("GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".utf8))
        #expect(String(decoding: try open.readToEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        #expect(daemon.stop() == 0)
        #expect(FileManager.default.fileExists(atPath: daemon.socket))
        withExtendedLifetime(successor) {}
    }

    /// The second signal does not wait for anybody.
    @Test(arguments: [(Int32(15), Int32(143)), (2, 130)]) func twoSignalsEndAtOnce(_ number: Int32, _ status: Int32) throws {
        let folder = try TemporaryFolder()
        let daemon = try TestDaemon(arguments: ["--context", "512"], folder: folder)
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"ignore_eos":true,"stream":true}"#
        try connection.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        _ = try connection.readSome()       // and never read again: the stream cannot end
        kill(daemon.process.processIdentifier, number)
        #expect(daemon.waitForLog("draining"))
        kill(daemon.process.processIdentifier, number)
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == status)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["log"])
    }

    /// Standard streams that are closed do not become sockets.
    @Test func closedStandardStreams() throws {
        let folder = try TemporaryFolder()
        let socket = folder.path("q.sock")
        let daemon = try RunningQuern(["serve", QuernBinary.tinyChat, "--socket", socket, "--threads", "1"], shell: "exec <&- >&- 2>&-; unset HOME")
        for _ in 0..<500 where (try? UnixConnection(socket)) == nil { usleep(20_000) }
        let streams = (0...2).map { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(daemon.process.processIdentifier)/fd/\($0)") }
        #expect(streams == ["/dev/null", "/dev/null", "/dev/null"])
        daemon.process.terminate()
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
    }

    /// Whoever can connect can also stop it: no signal falls between listening and handling signals.
    @Test func endsHoweverEarlyItIsTold() throws {
        for pause in 0..<8 {
            let folder = try TemporaryFolder()
            let socket = folder.path("q.sock")
            let daemon = try RunningQuern(["serve", QuernBinary.tinyChat, "--socket", socket, "--threads", "1"])
            while (try? UnixConnection(socket)) == nil, daemon.process.isRunning { usleep(200) }
            usleep(UInt32(pause) * 250)
            daemon.process.terminate()
            daemon.process.waitForEnd()
            #expect(daemon.process.terminationStatus == 0)
        }
    }

    @Test func theDefaultDirectoryIsPrivate() throws {
        let runtime = try TemporaryFolder()
        let daemon = Process()
        daemon.executableURL = URL(filePath: QuernBinary.path)
        daemon.arguments = ["serve", QuernBinary.tinyChat, "--threads", "1"]
        daemon.environment = QuernBinary.cleanEnvironment(["XDG_RUNTIME_DIR": runtime.url.path])
        daemon.standardError = FileHandle.nullDevice
        try daemon.run()
        let socket = runtime.path("quern/quern.sock")
        // The two sockets come up independently of each other, and a name is there before anybody listens at it.
        for path in [socket, runtime.path("quern/quern.pipe")] {
            for _ in 0..<1000 where (try? UnixConnection(path)) == nil { usleep(20_000) }
        }
        #expect(mode(runtime.path("quern")) == 0o700)
        #expect(mode(socket) == 0o600)
        let status = try QuernBinary.run(["status", "--json"], environment: ["XDG_RUNTIME_DIR": runtime.url.path])
        #expect(status.status == 0)
        #expect(status.text.contains("tiny-chat"))
        let answer = try QuernBinary.run(
            ["run", "--max-tokens", "4", "hello"], environment: ["XDG_RUNTIME_DIR": runtime.url.path])
        #expect(answer.status == 0, "\(answer.error)")
        #expect(answer.error.contains("daemon"))
        daemon.interrupt()
        daemon.waitForEnd()
        #expect(daemon.terminationStatus == 0)
    }

    /// The daemon answers and closes as soon as it has read a head; the client must not mind.
    @Test func aQuickAnswerIsNeverLost() throws {
        let daemon = try TestDaemon()
        for _ in 0..<60 {
            let status = try QuernBinary.run(["status", "--json", "--socket", daemon.socket])
            #expect(status.status == 0, "\(status.error)")
        }
    }

    /// SIGTERM finishes what is running, also for a client that reads slowly, then exits.
    @Test(arguments: [0, 300_000] as [useconds_t]) func terminationDrains(_ pause: useconds_t) throws {
        let daemon = try TestDaemon()
        let connection = try UnixConnection(daemon.socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"max_tokens":300,"ignore_eos":true,"stream":true,"temperature":0}"#
        try connection.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        var received = try connection.readSome()
        daemon.process.terminate()
        usleep(pause)
        while true {
            let part = try connection.readSome()
            if part.isEmpty { break }
            received += part
        }
        #expect(String(decoding: received, as: UTF8.self).contains("data: [DONE]"))
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
    }

    /// Hundredths of a second of processor time so far.
    private func processorTicks(_ daemon: RunningQuern) -> Int {
        let line = (try? String(contentsOfFile: "/proc/\(daemon.process.processIdentifier)/stat", encoding: .utf8)) ?? ""
        return line.split(separator: " ").dropFirst(13).prefix(2).reduce(0) { $0 + (Int($1) ?? 0) }
    }

    /// More connections than descriptors: the daemon lives through it, and serves again when some are free.
    ///
    /// Streams that are open go on meanwhile.
    @Test func exhaustedDescriptors() throws {
        let folder = try TemporaryFolder()
        let socket = folder.path("q.sock")
        let daemon = try RunningQuern(
            ["serve", QuernBinary.tinyChat, "--threads", "1", "--socket", socket, "--pipe-socket", folder.path("q.pipe")],
            shell: "ulimit -n 64")
        #expect(daemon.waitForLog("ready"))
        let stream = try UnixConnection(socket)
        let body = #"{"messages":[{"role":"user","content":"go"}],"max_tokens":200,"ignore_eos":true,"stream":true}"#
        try stream.send(Array(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        _ = try stream.readSome()
        var idle: [UnixConnection] = []
        for _ in 0..<500 { idle.append(try UnixConnection(socket)) }
        #expect(daemon.waitForLog("cannot accept connections"))
        #expect(String(decoding: try stream.readToEnd(), as: UTF8.self).contains("data: [DONE]"))
        idle.append(try UnixConnection(socket))     // takes the stream's descriptor
        usleep(300_000)
        let before = processorTicks(daemon)
        usleep(1_000_000)
        #expect(daemon.process.isRunning)
        // Of a hundred: the listener stays readable, and accepting must not be tried again and again.
        #expect(processorTicks(daemon) - before < 25)
        #expect(daemon.log.components(separatedBy: "cannot accept connections").count == 2)
        for connection in idle { connection.close() }
        let late = try UnixConnection(socket)
        try late.send(Array("GET /health HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".utf8))
        #expect(String(decoding: try late.readToEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        daemon.process.terminate()
        daemon.process.waitForEnd()
        #expect(daemon.process.terminationStatus == 0)
    }

    /// The usual soft limit of open files is less than the connections that are served; the daemon raises it.
    @Test func theSoftLimitOfFilesIsRaised() throws {
        let folder = try TemporaryFolder()
        let daemon = try RunningQuern(
            ["serve", QuernBinary.tinyChat, "--threads", "1", "--socket", folder.path("q.sock"), "--pipe-socket", folder.path("q.pipe")],
            shell: "ulimit -Sn 100; ulimit -Hn 2000")
        #expect(daemon.waitForLog("ready"))
        let limits = try String(contentsOfFile: "/proc/\(daemon.process.processIdentifier)/limits", encoding: .utf8)
        let line = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") } ?? ""
        #expect(line.split(separator: " ").dropFirst(3).first == "2000", "\(line)")
        daemon.process.terminate()
        daemon.process.waitForEnd()
    }
}
