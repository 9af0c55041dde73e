// CRC-32C checksums of archive parts.
import CQuernKernels

public enum CRC32C {
    /// - Parameter crc: the checksum so far; 0 to start.
    public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
        qk_crc32c(crc, bytes.baseAddress, bytes.count)
    }

    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0) }
    }
}
