// The life of the daemon's two sockets: who may reach them, that one daemon owns them, and how they end.
//
// Owns: the lock, the listening descriptors, the names in the file system. Does not own: what is said on a connection.
// Invariants: nothing is bound or unlinked without the lock; a socket gets its name only when its mode is right and it
// listens; only a name that still is our socket is unlinked, and never one that systemd made.
import Glibc
import QuernTensor

/// Exclusive ownership of a pair of socket paths, from before binding until after unlinking.
public final class SocketEndpoint: Sendable {
    public let paths: SocketPaths
    private let lock: InstanceLock
    /// Sockets that systemd listens on for us.
    private let activated: ActivatedSockets?

    /// Connections that may wait to be accepted.
    public static let backlog: Int32 = 512

    /// Takes the sockets that systemd passed, else creates the directories of `paths` and checks them; then takes the lock.
    public init(_ wanted: SocketPaths, environment: [String: String]) throws(SocketError) {
        activated = try ActivatedSockets(environment: environment)
        let paths = activated?.paths ?? wanted
        if activated == nil {
            for path in paths.both {
                guard !path.hasPrefix("@") else { throw .abstractName(path) }
                guard path.utf8.count <= SocketPaths.maxLength else { throw .pathTooLong(path, limit: SocketPaths.maxLength) }
            }
            for path in Set(paths.both.map { SocketPaths.parent(of: $0) }) { try Self.prepareDirectory(path) }
        }
        self.paths = paths
        lock = try InstanceLock(paths)
        guard activated == nil else { return }
        do {
            for path in paths.both { try Self.checkIsFree(path) }
        } catch {
            lock.release()
            throw error
        }
    }

    /// Starts listening on both sockets.
    func listen() throws(SocketError) -> Listeners {
        if let activated { return Listeners(http: activated.http, pipe: activated.pipe, names: []) }
        let mask = umask(0o177)     // its owner's alone from the moment a socket is bound
        defer { umask(mask) }
        let http = try Self.bind(paths.http)
        do {
            let pipe = try Self.bind(paths.pipe)
            return Listeners(http: http.descriptor, pipe: pipe.descriptor, names: [http.name, pipe.name])
        } catch {
            Glibc.close(http.descriptor)
            http.name.unlinkIfOurs()
            throw error
        }
    }

    /// Gives up the lock.
    public func close() { lock.release() }

    /// The directory is the access control: ours, and closed to everybody else.
    static func prepareDirectory(_ path: String) throws(SocketError) {
        if let parent = FileStatus(path: SocketPaths.parent(of: path)), parent.mode & 0o1002 == 0o002 {
            throw .directory(
                path, reason: "its parent is writable by everybody and not sticky (mode \(octal(parent.mode))): anybody could replace it")
        }
        if mkdir(path, 0o700) == 0 {
            chmod(path, 0o700)      // whatever the umask
        } else if errno != EEXIST {
            throw .directory(path, reason: "cannot be created: \(String(cString: strerror(errno)))")
        }
        guard let status = FileStatus(path: path) else { throw .directory(path, reason: String(cString: strerror(errno))) }
        guard status.isDirectory else { throw .directory(path, reason: "is not a directory") }
        guard status.ownerID == getuid() else {
            throw .directory(path, reason: "belongs to uid \(status.ownerID), not to us; sockets there would not be private")
        }
        guard status.mode & 0o022 == 0 else {
            throw .directory(
                path, reason: "is writable by others (mode \(octal(status.mode))); use a private directory, chmod 700")
        }
        guard access(path, W_OK) == 0 else { throw .directory(path, reason: "is not writable") }
    }

    private static func octal(_ mode: UInt32) -> String { String(mode, radix: 8) }

    /// A socket nobody listens on is a leftover; anything else at the path is not ours to replace.
    private static func checkIsFree(_ path: String) throws(SocketError) {
        guard let status = FileStatus(path: path, followsLinks: false) else { return }
        guard status.isSocket else { throw .notASocket(path) }
        guard let probe = try? StreamSocket() else { return }
        defer { Glibc.close(probe.descriptor) }
        // A full backlog answers EAGAIN: somebody is there.
        if probe.call(Glibc.connect, path) == 0 || errno == EAGAIN { throw .occupied(path) }
    }

    /// Binds under a temporary name, listens, and renames over whatever leftover has the name.
    private static func bind(_ path: String) throws(SocketError) -> (descriptor: Int32, name: BoundName) {
        let temporary = path + ".new"
        unlink(temporary)
        let socket = try StreamSocket()
        guard socket.call(Glibc.bind, temporary) == 0, Glibc.listen(socket.descriptor, backlog) == 0,
            rename(temporary, path) == 0, let name = BoundName(path)
        else {
            let reason = String(cString: strerror(errno))
            Glibc.close(socket.descriptor)
            unlink(temporary)
            throw .system(path, reason: reason)
        }
        return (socket.descriptor, name)
    }
}

/// Two listening sockets. Whoever serves them closes the descriptors.
struct Listeners: Sendable {
    let http: Int32
    /// Nil when systemd passed one socket only.
    let pipe: Int32?
    private let names: [BoundName]

    fileprivate init(http: Int32, pipe: Int32?, names: [BoundName]) {
        self.http = http
        self.pipe = pipe
        self.names = names
    }

    /// Names of ours that are gone or lead elsewhere: nobody can connect there any more.
    var lostNames: [String] { names.filter { !$0.isOurs }.map(\.path) }

    func unlink() { for name in names { name.unlinkIfOurs() } }
}

/// A socket's name and what it led to when it was made.
private struct BoundName: Sendable {
    let path: String
    private let made: FileStatus

    init?(_ path: String) {
        guard let status = FileStatus(path: path, followsLinks: false) else { return nil }
        self.path = path
        made = status
    }

    var isOurs: Bool {
        guard let now = FileStatus(path: path, followsLinks: false) else { return false }
        return now.deviceID == made.deviceID && now.inode == made.inode
    }

    func unlinkIfOurs() { if isOurs { Glibc.unlink(path) } }
}

/// A Unix stream socket before it is connected or bound.
private struct StreamSocket {
    let descriptor: Int32

    init() throws(SocketError) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .system("socket", reason: String(cString: strerror(errno))) }
    }

    func call(_ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ path: String) -> Int32 {
        withUnixAddress(path) { function(descriptor, $0, $1) }
    }
}

/// - Precondition: `path` fits `sun_path`; the rest is cut.
func withUnixAddress<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    return withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
}
