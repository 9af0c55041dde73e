// One daemon per socket: an exclusive lock on a file beside it, which the kernel gives back however the daemon ends.
import Glibc

/// The lock, from before binding until after unlinking.
final class InstanceLock: Sendable {
    private let name: String
    private let directory: SocketDirectory
    private let descriptor: Int32

    /// - Throws: `SocketError.alreadyRunning` with the owner's process id when another daemon holds it.
    init(_ paths: SocketPaths, in directory: SocketDirectory) throws(SocketError) {
        self.directory = directory
        name = SocketPaths.name(in: paths.lock)
        guard let file = directory.open(name, O_RDWR | O_CREAT, mode: 0o600) else {
            throw .system(paths.lock, reason: String(cString: strerror(errno)))
        }
        descriptor = file
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let pid = Self.readPID(descriptor)
            Glibc.close(descriptor)
            throw .alreadyRunning(socket: paths.http, pid: pid)
        }
        fchmod(descriptor, 0o600)       // whatever the umask
        let text = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        pwrite(descriptor, text, text.count, 0)
    }

    /// Removes the file and gives up the lock.
    func release() {
        directory.unlink(name)
        Glibc.close(descriptor)
    }

    fileprivate static func readPID(_ descriptor: Int32) -> Int? {
        var text = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &text, text.count, 0)
        return Int(String(decoding: text[..<max(0, count)], as: UTF8.self).filter(\.isNumber))
    }
}

extension SocketPaths {
    /// The process that holds the lock now; nil when none does.
    public var owner: Int? {
        let descriptor = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return nil }
        return InstanceLock.readPID(descriptor)
    }
}
