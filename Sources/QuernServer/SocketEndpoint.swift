// The life of the daemon's two sockets: where they are, who may reach them, and that only one daemon owns them.
//
// The server library unlinks an existing socket before binding without asking whose it is, so an exclusive lock on a file
// beside it is taken first. Invariants: nothing is bound or unlinked without the lock; the directory is private to us.
import Glibc
import QuernTensor

/// Why a daemon cannot have the socket it wants.
public enum SocketError: Error, Sendable, Equatable, CustomStringConvertible {
    case pathTooLong(String, limit: Int)
    case directory(String, reason: String)
    case alreadyRunning(socket: String, pid: Int?)
    case notASocket(String)
    case lock(String, reason: String)

    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "\(path): the socket path has \(path.utf8.count) bytes, the system allows \(limit); choose a shorter one with --socket"
        case .directory(let path, let reason): "\(path): \(reason)"
        case .alreadyRunning(let socket, let pid):
            "a daemon\(pid.map { " (pid \($0))" } ?? "") already serves \(socket); stop it first or choose another --socket"
        case .notASocket(let path): "\(path): exists and is not a socket; remove it or choose another --socket"
        case .lock(let path, let reason): "\(path): \(reason)"
        }
    }
}

/// Where the sockets are.
public struct SocketPaths: Sendable, Equatable {
    public static let maxLength = 103
    public var http: String
    public var pipe: String

    /// `--socket`, else QUERN_SOCKET, else `$XDG_RUNTIME_DIR/quern/quern.sock`, else a private directory under /tmp.
    public init(socket: String?, pipe: String?, environment: [String: String]) {
        http = socket ?? environment["QUERN_SOCKET"] ?? Self.directory(environment) + "/quern.sock"
        self.pipe = pipe ?? environment["QUERN_PIPE_SOCKET"]
            ?? Self.parent(of: http) + "/quern.pipe"
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func directory(_ environment: [String: String]) -> String {
        if let runtime = environment["XDG_RUNTIME_DIR"], !runtime.isEmpty { return runtime + "/quern" }
        return "/tmp/quern-\(getuid())"
    }
}

/// Exclusive ownership of a pair of socket paths, from before binding until after unlinking.
public final class SocketEndpoint: Sendable {
    public let paths: SocketPaths
    private let lock: Int32

    /// Creates the directory, checks it, and takes the lock.
    public init(_ paths: SocketPaths) throws(SocketError) {
        for path in [paths.http, paths.pipe] where path.utf8.count > SocketPaths.maxLength {
            throw .pathTooLong(path, limit: SocketPaths.maxLength)
        }
        for path in Set([paths.http, paths.pipe].map { SocketPaths.parent(of: $0) }) { try Self.prepareDirectory(path) }
        let lockPath = paths.http + ".lock"
        let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .lock(lockPath, reason: String(cString: strerror(errno))) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var text = [UInt8](repeating: 0, count: 32)
            let count = pread(descriptor, &text, text.count, 0)
            Glibc.close(descriptor)
            let pid = Int(String(decoding: text[..<max(0, count)], as: UTF8.self).filter(\.isNumber))
            throw .alreadyRunning(socket: paths.http, pid: pid)
        }
        for path in [paths.http, paths.pipe] {
            if let status = FileStatus(path: path, followsLinks: false), !status.isSocket {
                Glibc.close(descriptor)
                throw .notASocket(path)
            }
        }
        let pid = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        pwrite(descriptor, pid, pid.count, 0)
        self.paths = paths
        lock = descriptor
    }

    /// The directory is the access control: ours, and closed to everybody else.
    private static func prepareDirectory(_ path: String) throws(SocketError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .directory(path, reason: "cannot be created: \(String(cString: strerror(errno)))") }
        guard let status = FileStatus(path: path) else { throw .directory(path, reason: String(cString: strerror(errno))) }
        guard status.isDirectory else { throw .directory(path, reason: "is not a directory") }
        guard status.ownerID == getuid() else {
            throw .directory(path, reason: "belongs to uid \(status.ownerID), not to us; sockets there would not be private")
        }
        guard status.mode & 0o022 == 0 else {
            throw .directory(
                path, reason: "is writable by others (mode \(String(status.mode, radix: 8))); use a private directory, chmod 700")
        }
        guard access(path, W_OK) == 0 else { throw .directory(path, reason: "is not writable") }
    }

    /// Removes the sockets and gives up the lock.
    public func close() {
        unlink(paths.http)
        unlink(paths.pipe)
        unlink(paths.http + ".lock")
        Glibc.close(lock)
    }
}
