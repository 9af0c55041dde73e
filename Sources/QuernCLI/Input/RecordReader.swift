// Standard input record by record, as it arrives: lines, or whatever a zero byte ends.
//
// Invariant: waiting for input blocks no thread of the concurrency pool and ends when the task is cancelled.
import Dispatch
import Foundation
import Glibc

actor RecordReader {
    static let maxBytes = 32 << 20
    private let descriptor: Int32
    private let separator: UInt8
    private let limit: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    /// - Parameters:
    ///   - separator: the byte that ends a record; the last record may do without.
    ///   - limit: most bytes of a record.
    init(_ descriptor: Int32 = 0, separator: UInt8 = 0x0A, limit: Int = RecordReader.maxBytes) {
        self.descriptor = descriptor
        self.separator = separator
        self.limit = limit
    }

    /// The next record without its separator; nil at the end.
    func next() async throws -> [UInt8]? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: separator) {
                defer { start = end + 1 }
                return Array(buffer[start..<end])
            }
            searched = buffer.count
            if isAtEnd {
                defer { start = buffer.count }
                return start < buffer.count ? Array(buffer[start...]) : nil
            }
            guard buffer.count - start <= limit else {
                throw Failure(status: 65, message: "standard input: a record exceeds the limit of \(limit) bytes")
            }
            searched -= start
            buffer.removeFirst(start)
            start = 0
            let part = try await read()
            if part.isEmpty { isAtEnd = true } else { buffer += part }
        }
    }

    /// What there is, at least one byte; empty at the end.
    private func read() async throws -> [UInt8] {
        while true {
            try Task.checkCancellation()
            let part: [UInt8]? = try await withCheckedThrowingContinuation { continuation in
                DispatchQueue.global().async { [descriptor] in continuation.resume(with: Result { try Self.readNow(descriptor) }) }
            }
            if let part { return part }
        }
    }

    /// Nil when nothing came for a moment.
    private static func readNow(_ descriptor: Int32) throws -> [UInt8]? {
        var interest = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&interest, 1, 100) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count >= 0 { return Array(bytes[..<count]) }
        guard errno == EINTR || errno == EAGAIN else { throw Failure.output("standard input: \(String(cString: strerror(errno)))") }
        return nil
    }
}
