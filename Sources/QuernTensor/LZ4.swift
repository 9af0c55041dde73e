// LZ4 block compression: the only calls into liblz4.
//
// Invariant: decompression writes exactly the size its caller took from a checked index, or fails.
import CLZ4

public enum LZ4 {
    /// Largest block the archive uses; bounds what a hostile file can make us allocate at once.
    public static let maxBlock = 4 << 20

    /// The compressed bytes; nil when they would not be smaller.
    public static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        precondition(bytes.count <= maxBlock)
        guard bytes.count > 16, let source = bytes.baseAddress else { return nil }
        let packed = [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, filled in
            let count = buffer.withMemoryRebound(to: CChar.self) { out in
                LZ4_compress_default(
                    source.assumingMemoryBound(to: CChar.self), out.baseAddress, Int32(bytes.count), Int32(out.count))
            }
            filled = Int(count)     // 0 when it does not fit
        }
        return packed.isEmpty || packed.count >= bytes.count ? nil : packed
    }

    /// False unless `packed` is a valid block that expands to exactly `out.count` bytes.
    public static func decompress(_ packed: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Bool {
        guard let source = packed.baseAddress, let target = out.baseAddress,
            let packedCount = Int32(exactly: packed.count), let outCount = Int32(exactly: out.count)
        else { return packed.isEmpty && out.isEmpty }
        return LZ4_decompress_safe(
            source.assumingMemoryBound(to: CChar.self), target.assumingMemoryBound(to: CChar.self), packedCount, outCount)
            == outCount
    }
}
