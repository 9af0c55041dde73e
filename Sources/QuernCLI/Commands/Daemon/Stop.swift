import ArgumentParser
import Foundation
import Glibc
import QuernJSON
import QuernServer

/// Ends the daemon.
struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End the daemon: live requests finish first.",
        discussion: """
            Sends SIGTERM to the process that holds the socket's lock and waits until it has ended. A daemon that systemd starts \
            on demand comes back with the next connection; stop its quern.socket unit instead.

            Examples:
              quern stop
              quern stop --now                   live requests are cut off
              quern stop --socket /run/user/1000/q.sock --json
            """)

    @Flag(help: "Do not wait for live requests.")
    var now = false

    @Option(help: "Seconds to wait for the end.")
    var timeout = 40.0

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup(title: "Configuration") var source: ConfigurationOptions
    @OptionGroup var sockets: SocketOptions

    func run() throws {
        let paths = sockets.paths(try source.settings())
        guard let pid = paths.owner else { throw Failure.noDaemon("\(paths.http): no daemon runs there") }
        try signal(pid, paths)
        // The second signal must find the first one handled.
        let deadline = Date(timeIntervalSinceNow: timeout)
        if now {
            usleep(100_000)
            if paths.owner == pid { try signal(pid, paths) }
        }
        while paths.owner == pid {
            guard Date() < deadline else {
                throw Failure(status: 75, message: "the daemon (pid \(pid)) still finishes live requests; --now cuts them off")
            }
            usleep(20_000)
        }
        let report: JSONValue = ["stopped": .int(Int64(pid)), "socket": .string(paths.http)]
        if json { _ = try StandardOutput.write(report.serialized(.pretty) + "\n") } else { Terminal.note("stopped the daemon (pid \(pid))") }
    }

    private func signal(_ pid: Int, _ paths: SocketPaths) throws {
        guard let pid = pid_t(exactly: pid), pid > 1 else { throw Failure.general("\(paths.lock): holds no process id") }
        guard kill(pid, SIGTERM) == 0 || errno == ESRCH else {
            throw Failure(status: 77, message: "pid \(pid): \(String(cString: strerror(errno)))")
        }
    }
}
