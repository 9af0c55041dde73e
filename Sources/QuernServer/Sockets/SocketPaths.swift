// Where the daemon's two sockets are, and why they cannot be there.

/// Why a daemon cannot have the socket it wants.
public enum SocketError: Error, Sendable, Equatable, CustomStringConvertible {
    case pathTooLong(String, limit: Int)
    case abstractName(String)
    case directory(String, reason: String)
    case alreadyRunning(socket: String, pid: Int?)
    case notASocket(String)
    case occupied(String)
    case activation(String)
    case system(String, reason: String)

    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "\(path): the socket path has \(path.utf8.count) bytes, the system allows \(limit); choose a shorter one with --socket"
        case .abstractName(let name):
            "\(name): abstract socket names have no owner and no permissions; choose a path with --socket"
        case .directory(let path, let reason): "\(path): \(reason)"
        case .alreadyRunning(let socket, let pid):
            "a daemon\(pid.map { " (pid \($0))" } ?? "") already serves \(socket); stop it first or choose another --socket"
        case .notASocket(let path): "\(path): exists and is not a socket; remove it or choose another --socket"
        case .occupied(let path): "\(path): another program listens there; stop it or choose another --socket"
        case .activation(let problem): "socket activation: \(problem)"
        case .system(let path, let reason): "\(path): \(reason)"
        }
    }
}

/// Where the sockets are.
public struct SocketPaths: Sendable, Equatable {
    /// What `sun_path` holds, less the suffix of the temporary name that a socket is bound under.
    public static let maxLength = 103
    public var http: String
    public var pipe: String

    /// - Parameters:
    ///   - socket: nil takes `$XDG_RUNTIME_DIR/quern/quern.sock`, else a private directory under /tmp.
    ///   - pipe: nil takes `quern.pipe` beside the HTTP socket.
    public init(socket: String?, pipe: String?, runtimeDirectory: String?, userID: UInt32) {
        let folder = runtimeDirectory.flatMap { $0.isEmpty ? nil : $0 + "/quern" } ?? "/tmp/quern-\(userID)"
        http = socket ?? folder + "/quern.sock"
        self.pipe = pipe ?? Self.parent(of: http) + "/quern.pipe"
    }

    var both: [String] { [http, pipe] }
    /// Held locked while a daemon owns the sockets; its text is the daemon's process id.
    public var lock: String { http + ".lock" }

    /// The last component.
    static func name(in path: String) -> String { path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
