// Writing a file so that its name only ever refers to a complete one: temporary file, fsync, rename, fsync directory.
//
// Invariant: unless `commit` returned, no file with the final name was created or changed, and the temporary is removed
// when the writer goes away. After a failed fsync the data is given up, never synced again.
import Glibc

public final class AtomicFile {
    public let path: String
    private let temporary: String
    private let descriptor: Int32
    private var isCommitted = false
    /// Bytes written so far; also the offset of the next.
    public private(set) var byteCount = 0

    /// - Parameter mode: permissions, less the process's mask.
    public init(path: String, mode: mode_t = 0o644) throws(SystemError) {
        self.path = path
        temporary = "\(path).\(getpid()).part"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw SystemError(call: "open", subject: temporary) }
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(temporary) }
    }

    public func append(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        try write(bytes, at: byteCount)
        byteCount += bytes.count
    }

    public func append(_ bytes: [UInt8]) throws(SystemError) {
        let result = bytes.withUnsafeBytes { raw in Result { () throws(SystemError) in try append(raw) } }
        try result.get()
    }

    /// Zero bytes up to the next multiple of `alignment`.
    public func align(to alignment: Int) throws(SystemError) {
        let missing = (alignment - byteCount % alignment) % alignment
        try append([UInt8](repeating: 0, count: missing))
    }

    /// Overwrites bytes already written.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw SystemError(call: "write", subject: temporary)
            }
        }
    }

    /// Makes the file durable and gives it its name.
    public func commit() throws(SystemError) {
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", subject: temporary) }
        guard rename(temporary, path) == 0 else { throw SystemError(call: "rename", subject: path) }
        isCommitted = true
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if handle >= 0 {
            fsync(handle)
            close(handle)
        }
    }
}
