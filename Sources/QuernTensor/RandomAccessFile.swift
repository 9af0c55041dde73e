// Reading regular files at offsets.
//
// Nothing is mapped: a mapped file that shrinks kills the process with SIGBUS, a short read is an error. Opening never
// blocks on a FIFO and never follows a device. Invariant: a read returns exactly the bytes asked for or throws.
import Glibc

public enum FileError: Error, Sendable, Equatable, CustomStringConvertible {
    case system(call: String, code: Int32)
    case notRegular
    /// The file ended before bytes that it had when it was opened, or was written to since.
    case changed(offset: Int)

    public var description: String {
        switch self {
        case .system(let call, let code): "\(call) failed: \(String(cString: strerror(code)))"
        case .notRegular: "is not a regular file"
        case .changed(let offset): "the file changed while it was being read (at byte \(offset))"
        }
    }
}

public final class RandomAccessFile: Sendable {
    public let path: String
    /// Size when opened.
    public let byteCount: Int
    private let descriptor: Int32
    private let modified: timespec

    public init(path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .system(call: "open", code: errno) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else {
            let code = errno
            close(descriptor)
            throw .system(call: "fstat", code: code)
        }
        guard info.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .notRegular
        }
        self.path = path
        self.descriptor = descriptor
        byteCount = Int(info.st_size)
        modified = info.st_mtim
    }

    deinit { close(descriptor) }

    /// Fills `buffer` from `offset`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) {
        let (end, overflow) = offset.addingReportingOverflow(buffer.count)
        guard offset >= 0, !overflow, end <= byteCount else { throw .changed(offset: offset) }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 {
                throw .changed(offset: offset + done)
            } else if errno != EINTR {
                throw .system(call: "pread", code: errno)
            }
        }
    }

    public func read(count: Int, at offset: Int) throws(FileError) -> [UInt8] {
        guard count >= 0, count <= byteCount else { throw .changed(offset: offset) }
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(FileError) {
                try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
                filled = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Throws if the file's size or modification time differ from when it was opened.
    public func requireUnchanged() throws(FileError) {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw .system(call: "fstat", code: errno) }
        guard Int(info.st_size) == byteCount, info.st_mtim.tv_sec == modified.tv_sec,
            info.st_mtim.tv_nsec == modified.tv_nsec
        else { throw .changed(offset: 0) }
    }
}
