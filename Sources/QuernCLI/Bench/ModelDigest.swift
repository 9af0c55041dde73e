// Which bytes were measured: CRC-32C and size of a model's files. It tells files apart; it does not resist a forger.
import Foundation
import QuernTensor

enum ModelDigest {
    /// `crc32c:1a2b3c4d:653453798`. Of a folder, its files in the order of their names.
    static func of(path: String) throws -> String {
        var (checksum, size) = (UInt32(0), 0)
        for path in try files(path) {
            let file = try RandomAccessFile(path: path)
            for offset in stride(from: 0, to: file.byteCount, by: 1 << 24) {
                let bytes = try file.read(count: min(1 << 24, file.byteCount - offset), at: offset)
                checksum = bytes.withUnsafeBytes { CRC32C.checksum($0, continuing: checksum) }
            }
            size += file.byteCount
        }
        return "crc32c:" + String(format: "%08x", checksum) + ":\(size)"
    }

    private static func files(_ path: String) throws -> [String] {
        guard FileStatus(path: path)?.isDirectory == true else { return [path] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            .map { "\(path)/\($0)" }.filter { FileStatus(path: $0)?.isDirectory == false }
    }
}
