// A bounds-checked cursor over a file: every number that comes from a model file passes through here.
//
// Reads a window at a time, so that a header of any size costs little memory. Invariants: no length is used before it is
// compared with what the file still holds; sums and products are checked; an error names field and offset.
import QuernTensor

struct ByteReader {
    let file: RandomAccessFile
    /// Offset of the next byte.
    private(set) var offset: Int
    private let end: Int
    private var window: [UInt8] = []
    private var windowStart = 0
    private static let windowSize = 1 << 18

    init(_ file: RandomAccessFile, offset: Int = 0) {
        self.file = file
        self.offset = offset
        end = file.byteCount
    }

    var remaining: Int { end - offset }

    func fail(_ field: @autoclosure () -> String, at position: Int? = nil, _ detail: String) -> CheckpointError {
        CheckpointError(.malformed, file: file.path, field: field(), byteOffset: position ?? offset, detail: detail)
    }

    /// The next `count` bytes.
    mutating func bytes(_ count: Int, _ field: @autoclosure () -> String) throws(CheckpointError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else {
            throw fail(field(), "needs \(count) bytes, the file has \(remaining) left of \(end)")
        }
        if offset < windowStart || offset + count > windowStart + window.count {
            do throws(FileError) {
                window = try file.read(count: min(max(count, Self.windowSize), remaining), at: offset)
            } catch {
                throw CheckpointError(error, file: file.path, field: field())
            }
            windowStart = offset
        }
        let start = offset - windowStart
        offset += count
        return window[start..<(start + count)]
    }

    mutating func skip(_ count: Int, _ field: @autoclosure () -> String) throws(CheckpointError) {
        guard count >= 0, count <= remaining else {
            throw fail(field(), "needs \(count) bytes, the file has \(remaining) left of \(end)")
        }
        offset += count
    }

    /// A little-endian integer of the type's width.
    mutating func integer<T: FixedWidthInteger>(
        _ type: T.Type = T.self, _ field: @autoclosure () -> String
    ) throws(CheckpointError) -> T {
        var value: T = 0
        for (index, byte) in try bytes(MemoryLayout<T>.size, field()).enumerated() {
            value |= T(truncatingIfNeeded: byte) << (8 * T(truncatingIfNeeded: index))
        }
        return value
    }

    /// A 64-bit count, at most `limit`, of items of at least `minimumBytes` each that must still fit the file.
    mutating func count(limit: Int, minimumBytes: Int, _ field: @autoclosure () -> String) throws(CheckpointError) -> Int {
        let position = offset
        let raw = try integer(UInt64.self, field())
        guard let count = Int(exactly: raw), count <= limit else {
            throw fail(field(), at: position, "is \(raw), the limit is \(limit)")
        }
        let (needed, overflow) = count.multipliedReportingOverflow(by: minimumBytes)
        guard !overflow, needed <= remaining else {
            throw fail(field(), at: position, "is \(count), which needs more than the \(remaining) bytes left in the file")
        }
        return count
    }
}
