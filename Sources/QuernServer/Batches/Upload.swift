// A file that is being uploaded. Owns its descriptor; whoever has it removes the file when nothing comes of it.
import Glibc
import QuernTensor

final class Upload {
    let owner: UInt32
    let path: String
    private(set) var byteCount = 0
    private let descriptor: Int32

    init(owner: UInt32, path: String) throws(SystemError) {
        self.owner = owner
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", subject: path) }
    }

    deinit { close(descriptor) }

    func append(_ bytes: ArraySlice<UInt8>) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
                byteCount += count
            } else if errno != EINTR {
                throw SystemError(call: "write", subject: path)
            }
        }
    }

    func sync() throws(SystemError) {
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", subject: path) }
    }
}
