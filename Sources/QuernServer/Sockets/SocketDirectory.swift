// A directory that sockets live in, held open from its examination to the end.
//
// Owns: what is asked of such a directory, and every access to the names in it. Invariant: names are made, examined and removed through
// the descriptor that was examined; whoever moves the directory or plants a link at its path afterwards changes nothing.
import Glibc
import QuernTensor

final class SocketDirectory: Sendable {
    private let descriptor: Int32

    /// Creates the directory when it does not exist, and checks that it is ours and closed to everybody else: it is the access control.
    init(private path: String) throws(SocketError) {
        if let parent = FileStatus(path: SocketPaths.parent(of: path)), parent.mode & 0o1002 == 0o002 {
            throw .directory(
                path, reason: "its parent is writable by everybody and not sticky (mode \(octal(parent.mode))): anybody could replace it")
        }
        let mask = umask(0o077)
        let isMade = mkdir(path, 0o700) == 0
        let reason = errno
        umask(mask)
        guard isMade || reason == EEXIST else {
            throw .directory(path, reason: "cannot be created: \(String(cString: strerror(reason)))")
        }
        descriptor = try Self.open(path)
        try check(path)
    }

    /// A directory that somebody else answers for: systemd made the sockets in it.
    init(trusted path: String) throws(SocketError) { descriptor = try Self.open(path) }

    deinit { close(descriptor) }

    private static func open(_ path: String) throws(SocketError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor < 0 else { return descriptor }
        throw .directory(path, reason: errno == ENOTDIR ? "is not a directory" : String(cString: strerror(errno)))
    }

    private func check(_ path: String) throws(SocketError) {
        guard let status = FileStatus(path: "", in: descriptor) else { throw .directory(path, reason: String(cString: strerror(errno))) }
        guard status.ownerID == getuid() else {
            throw .directory(path, reason: "belongs to uid \(status.ownerID), not to us; sockets there would not be private")
        }
        guard status.mode & 0o022 == 0 else {
            throw .directory(path, reason: "is writable by others (mode \(octal(status.mode))); use a private directory, chmod 700")
        }
        guard faccessat(descriptor, ".", W_OK, 0) == 0 else { throw .directory(path, reason: "is not writable") }
    }

    // MARK: Names

    func status(_ name: String) -> FileStatus? { FileStatus(path: name, followsLinks: false, in: descriptor) }
    func unlink(_ name: String) { unlinkat(descriptor, name, 0) }

    /// Nil, with `errno`, when it cannot be opened.
    func open(_ name: String, _ flags: Int32, mode: mode_t) -> Int32? {
        let file = openat(descriptor, name, flags | O_CLOEXEC | O_NOFOLLOW, mode)
        return file >= 0 ? file : nil
    }

    /// What `bind` and `connect` reach `name` by, in this directory wherever it is.
    private func address(_ name: String) -> String { "/proc/self/fd/\(descriptor)/\(name)" }

    /// Whether somebody listens at `name`; a full backlog answers EAGAIN.
    func isAnswered(_ name: String) -> Bool {
        guard let probe = StreamSocket() else { return false }
        defer { close(probe.descriptor) }
        return probe.call(Glibc.connect, address(name)) == 0 || errno == EAGAIN
    }

    /// Binds under a temporary name, listens, and renames over whatever leftover has the name. Nil, with `errno`, when that fails.
    func listen(_ name: String, backlog: Int32) -> Int32? {
        let temporary = name + ".new"
        unlink(temporary)
        guard let socket = StreamSocket() else { return nil }
        guard socket.call(Glibc.bind, address(temporary)) == 0, Glibc.listen(socket.descriptor, backlog) == 0,
            renameat(descriptor, temporary, descriptor, name) == 0
        else {
            let reason = errno
            close(socket.descriptor)
            unlink(temporary)
            errno = reason
            return nil
        }
        return socket.descriptor
    }
}

private func octal(_ mode: UInt32) -> String { String(mode, radix: 8) }

/// A Unix stream socket before it is connected or bound.
private struct StreamSocket {
    let descriptor: Int32

    /// Nil, with `errno`, when the system has none.
    init?() {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
    }

    func call(_ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ path: String) -> Int32 {
        withUnixAddress(path) { function(descriptor, $0, $1) }
    }
}
