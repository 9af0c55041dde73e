// What systemd asks of a service: sockets passed as descriptors, and messages about the service's state.
//
// Written from the manual pages sd_listen_fds(3) and sd_notify(3); linking libsystemd for two small protocols would make it
// a dependency of every installation. Invariant: descriptors are taken only when they are listening Unix stream sockets.
import Glibc
import QuernTensor

/// Sockets that systemd opened and listens on for us.
struct ActivatedSockets: Sendable {
    let http: Int32
    /// Nil when only one socket was passed.
    let pipe: Int32?
    let paths: SocketPaths

    private static let firstDescriptor: Int32 = 3

    /// Nil when the process was not started by socket activation. Clears the variables, so that no child takes them for its own.
    ///
    /// Descriptors named `http` and `pipe` (`FileDescriptorName=`) are those; without names the first is HTTP, the second the pipe.
    init?(environment: [String: String]) throws(SocketError) {
        guard let passed = environment["LISTEN_FDS"] else { return nil }
        for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] { unsetenv(name) }
        guard environment["LISTEN_PID"] == "\(getpid())" else { return nil }     // meant for another process
        guard let count = Int32(passed), (1...2).contains(count) else {
            throw .activation("LISTEN_FDS is \"\(passed.prefix(16))\"; one or two sockets are expected, HTTP and pipe")
        }
        let descriptors = Array(Self.firstDescriptor..<(Self.firstDescriptor + count))
        var addresses: [String] = []
        for descriptor in descriptors {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            addresses.append(try Self.address(of: descriptor))
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":").map(String.init)
        let httpIndex = names.firstIndex(of: "http") ?? (names.first == "pipe" ? 1 : 0)
        guard httpIndex < descriptors.count else { throw .activation("no socket for HTTP was passed, only a pipe") }
        let pipeIndex = descriptors.indices.first { $0 != httpIndex }
        http = descriptors[httpIndex]
        pipe = pipeIndex.map { descriptors[$0] }
        paths = SocketPaths(
            socket: addresses[httpIndex], pipe: pipeIndex.map { addresses[$0] }, runtimeDirectory: nil, userID: getuid())
    }

    /// The path a descriptor listens on.
    private static func address(of descriptor: Int32) throws(SocketError) -> String {
        func option(_ name: Int32) -> Int32? {
            var value: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
        }
        guard option(SO_DOMAIN) == AF_UNIX, option(SO_TYPE) == Int32(SOCK_STREAM.rawValue), option(SO_ACCEPTCONN) == 1 else {
            throw .activation("descriptor \(descriptor) is not a listening Unix stream socket; use ListenStream= with a path")
        }
        var address = sockaddr_un()
        var size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let found = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        let path = withUnsafeBytes(of: address.sun_path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard found == 0, path.hasPrefix("/") else {
            throw .activation("descriptor \(descriptor) has no path; abstract names have no permissions")
        }
        return path
    }
}

/// Tells the service manager, when there is one, how the daemon is.
public struct ServiceNotifier: Sendable {
    private let socket: String?
    /// How often to say that the daemon lives: half of what the manager waits (`WatchdogSec=`). Nil when it does not wait.
    private let pulse: Duration?

    public init(environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isForUs = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        let wait = environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil }
        pulse = isForUs && socket != nil ? wait.map { .microseconds(max(1000, $0 / 2)) } : nil
    }

    /// Until cancelled, says at every pulse that the daemon lives, if `proof` does. When it says nothing for long, or hangs, the manager
    /// starts the daemon again.
    func keepAlive(_ proof: @Sendable () async -> Bool) async {
        guard let pulse else { return }
        repeat {
            if await proof() { send("WATCHDOG=1") }
        } while (try? await Task.sleep(for: pulse)) != nil
    }

    public func loading(_ model: String) { send("STATUS=loading \(model)") }
    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }
    func stopping() { send("STOPPING=1\nSTATUS=finishing live requests") }

    /// Best effort: a manager that does not listen is no reason to fail.
    private func send(_ state: String) {
        guard let socket else { return }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(state.utf8)
        // A leading "@" stands for the zero byte of an abstract name, whose length counts.
        let path = socket.hasPrefix("@") ? "\0" + socket.dropFirst() : socket
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count)
        _ = withUnixAddress(path) { address, _ in sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length) }
    }
}
