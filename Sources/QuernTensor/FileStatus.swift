// What a path refers to: kind, owner and mode.
import Glibc

public struct FileStatus: Sendable, Equatable {
    public let isDirectory: Bool
    public let isSocket: Bool
    public let ownerID: UInt32
    /// Permission bits.
    public let mode: UInt32

    /// Nil when there is nothing at `path`, or it cannot be examined (`errno` says why).
    public init?(path: String, followsLinks: Bool = true) {
        var info = stat()
        guard (followsLinks ? stat(path, &info) : lstat(path, &info)) == 0 else { return nil }
        isDirectory = info.st_mode & S_IFMT == S_IFDIR
        isSocket = info.st_mode & S_IFMT == S_IFSOCK
        ownerID = info.st_uid
        mode = info.st_mode & 0o7777
    }
}
