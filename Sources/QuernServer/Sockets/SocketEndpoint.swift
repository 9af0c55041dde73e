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
    private let binding: Binding

    private enum Binding {
        /// Sockets that systemd listens on for us.
        case activated(ActivatedSockets)
        case own(http: SocketName, pipe: SocketName)
    }

    /// Connections that may wait to be accepted.
    public static let backlog: Int32 = 512

    /// Takes the sockets that systemd passed, else creates the directories of `paths` and checks them; then takes the lock.
    public init(_ wanted: SocketPaths, environment: [String: String]) throws(SocketError) {
        if let activated = try ActivatedSockets(environment: environment) {
            paths = activated.paths
            binding = .activated(activated)
            lock = try InstanceLock(paths, in: try SocketDirectory(trusted: SocketPaths.parent(of: paths.http)))
            return
        }
        for path in wanted.both {
            guard !path.hasPrefix("@") else { throw .abstractName(path) }
            guard path.utf8.count <= SocketPaths.maxLength else { throw .pathTooLong(path, limit: SocketPaths.maxLength) }
        }
        let http = SocketName(wanted.http, in: try SocketDirectory(private: SocketPaths.parent(of: wanted.http)))
        let pipe = SocketName(wanted.pipe, in: try SocketDirectory(private: SocketPaths.parent(of: wanted.pipe)))
        paths = wanted
        binding = .own(http: http, pipe: pipe)
        lock = try InstanceLock(wanted, in: http.directory)
        do throws(SocketError) {
            for name in [http, pipe] { try name.checkIsFree() }
        } catch {
            lock.release()
            throw error
        }
    }

    /// Starts listening on both sockets.
    func listen() throws(SocketError) -> Listeners {
        switch binding {
        case .activated(let sockets): return Listeners(http: sockets.http, pipe: sockets.pipe, names: [])
        case .own(let http, let pipe):
            let mask = umask(0o177)     // its owner's alone from the moment a socket is bound
            defer { umask(mask) }
            let first = try http.bind()
            do throws(SocketError) {
                let second = try pipe.bind()
                return Listeners(http: first.descriptor, pipe: second.descriptor, names: [first.name, second.name])
            } catch {
                Glibc.close(first.descriptor)
                first.name.unlinkIfOurs()
                throw error
            }
        }
    }

    /// Gives up the lock.
    public func close() { lock.release() }
}

/// Where one of our sockets is, or will be.
private struct SocketName: Sendable {
    let path: String
    let directory: SocketDirectory
    var last: String { SocketPaths.name(in: path) }

    init(_ path: String, in directory: SocketDirectory) {
        self.path = path
        self.directory = directory
    }

    /// A socket nobody listens on is a leftover; anything else at the path is not ours to replace.
    func checkIsFree() throws(SocketError) {
        guard let status = directory.status(last) else { return }
        guard status.isSocket else { throw .notASocket(path) }
        if directory.isAnswered(last) { throw .occupied(path) }
    }

    func bind() throws(SocketError) -> (descriptor: Int32, name: BoundName) {
        guard let descriptor = directory.listen(last, backlog: SocketEndpoint.backlog) else {
            throw .system(path, reason: String(cString: strerror(errno)))
        }
        guard let made = directory.status(last) else {
            Glibc.close(descriptor)
            throw .system(path, reason: "disappeared while it was made")
        }
        return (descriptor, BoundName(place: self, made: made))
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
    var lostNames: [String] { names.filter(\.isLost).map(\.place.path) }

    func unlink() { for name in names { name.unlinkIfOurs() } }
}

/// A socket's name and what it led to when it was made.
private struct BoundName: Sendable {
    let place: SocketName
    let made: FileStatus

    private func isOurs(_ status: FileStatus?) -> Bool { status?.deviceID == made.deviceID && status?.inode == made.inode }

    /// By the path that clients use.
    var isLost: Bool { !isOurs(FileStatus(path: place.path, followsLinks: false)) }

    func unlinkIfOurs() { if isOurs(place.directory.status(place.last)) { place.directory.unlink(place.last) } }
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
