// What a path refers to: kind, owner and mode.
import Glibc

public struct FileStatus: Sendable, Equatable {
    public let isDirectory: Bool
    public let isSocket: Bool
    public let isRegularFile: Bool
    public let byteCount: Int
    public let ownerID: UInt32
    /// Permission bits.
    public let mode: UInt32
    /// With the inode, the same for two paths exactly when they lead to one file.
    public let deviceID: UInt64
    public let inode: UInt64

    /// Nil when there is nothing at `path`, or it cannot be examined (`errno` says why).
    ///
    /// - Parameter directory: where a relative path begins, as an open descriptor; the empty path is the directory itself.
    public init?(path: String, followsLinks: Bool = true, in directory: Int32 = AT_FDCWD) {
        var info = stat()
        let flags = (followsLinks ? 0 : AT_SYMLINK_NOFOLLOW) | (path.isEmpty ? Self.emptyPath : 0)
        guard fstatat(directory, path, &info, flags) == 0 else { return nil }
        isDirectory = info.st_mode & S_IFMT == S_IFDIR
        isSocket = info.st_mode & S_IFMT == S_IFSOCK
        isRegularFile = info.st_mode & S_IFMT == S_IFREG
        byteCount = Int(info.st_size)
        ownerID = info.st_uid
        mode = info.st_mode & 0o7777
        deviceID = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
    }

    /// `AT_EMPTY_PATH`, which Glibc's module does not export.
    private static let emptyPath: Int32 = 0x1000
}
