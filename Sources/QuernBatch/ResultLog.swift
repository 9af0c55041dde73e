// One of a batch's two result files, which is its own journal: rows are only ever appended, each with one write.
//
// After a kill the file ends with whole rows, after a power failure perhaps with a torn one, which is cut off when the file
// is opened again; what was cut is computed again. Invariants: no row of an earlier run is changed; a file that was not
// written by a batch is refused and left as it is; only one process writes at a time.
import Foundation
import Glibc
import QuernJSON
import QuernTensor

final class ResultLog {
    let path: String
    private let descriptor: Int32
    private var byteCount = 0
    private var unsynced = false
    private var lastSync = ContinuousClock.now
    /// Ids of the rows in the file, in order.
    private(set) var ids: [BatchInput.RowID] = []

    private static let rowStart = Array("{\"id\":\"batch_req_".utf8)
    /// At most this much work is done again after a power failure.
    private static let syncInterval = Duration.milliseconds(500)

    /// - Parameter mode: permissions of a file that is made.
    init(path: String, mode: mode_t) throws {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw BatchError(.system, "\(path): \(String(cString: strerror(errno)))") }
        guard let status = FileStatus(path: path), status.isRegularFile else {
            throw BatchError(.notAFile, "\(path) is not a regular file")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw BatchError(.busy, "\(path): another batch is writing it") }
        try load()
    }

    deinit { close(descriptor) }

    private func load() throws {
        let bytes = [UInt8](try FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).readToEnd() ?? Data())
        var (start, number) = (0, 1)
        while let end = bytes[start...].firstIndex(of: 0x0A) {
            guard let id = Self.rowID(Array(bytes[start..<end])) else {
                throw BatchError(.malformed, "\(path): line \(number) is not a result of a batch; nothing was changed")
            }
            ids.append(id)
            start = end + 1
            number += 1
        }
        let rest = bytes[start...]
        if !rest.isEmpty {
            let isTorn = rest.allSatisfy { $0 == 0 } || zip(rest, Self.rowStart).allSatisfy { $0 == $1 }
            guard isTorn else { throw BatchError(.malformed, "\(path): its last line is not a result of a batch; nothing was changed") }
            guard ftruncate(descriptor, off_t(start)) == 0 else { throw failure() }
            unsynced = true
        }
        byteCount = start
    }

    private static func rowID(_ line: [UInt8]) -> BatchInput.RowID? {
        guard line.starts(with: rowStart), let row = try? JSONValue(parsing: line) else { return nil }
        return row["custom_id"]?.stringValue.map { Array($0.utf8) }
    }

    /// Adds a row. A row that does not fit on the disk is taken back whole.
    func append(id: String, response: JSONValue, error: JSONValue) throws {
        let row: JSONValue = [
            "id": .string("batch_req_" + UUID().uuidString.lowercased().filter { $0 != "-" }), "custom_id": .string(id),
            "response": response, "error": error,
        ]
        let bytes = Array((row.serialized() + "\n").utf8)
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard written == bytes.count else {
            let reason = written < 0 ? failure() : BatchError(.system, "\(path): the disk is full or a size limit was reached")
            ftruncate(descriptor, off_t(byteCount))
            throw reason
        }
        byteCount += bytes.count
        ids.append(Array(id.utf8))
        unsynced = true
        if ContinuousClock.now - lastSync > Self.syncInterval { try sync() }
    }

    /// Makes everything durable. After a failure nothing is known about what the disk holds, so the batch ends.
    func sync() throws {
        guard unsynced else { return }
        guard fsync(descriptor) == 0 else { throw failure() }
        unsynced = false
        lastSync = .now
    }

    private func failure() -> BatchError { BatchError(.system, "\(path): \(String(cString: strerror(errno)))") }

    /// Rewrites the file at `path` so that it has the last row of every id, less those in `dropped`. Atomic; does nothing when
    /// that is what the file has.
    static func compact(_ path: String, dropping dropped: Set<BatchInput.RowID>, mode: mode_t) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        // Opening checks and repairs the file and keeps other batches out; the lock of the file replaced goes with it.
        let old = try ResultLog(path: path, mode: mode)
        var last: [BatchInput.RowID: Int] = [:]
        for (index, id) in old.ids.enumerated() where !dropped.contains(id) { last[id] = index }
        guard last.count < old.ids.count else { return }
        let kept = Set(last.values)
        let lines = try Data(contentsOf: URL(filePath: path)).split(separator: 0x0A)
        let new = try AtomicFile(path: path, mode: mode)
        for (index, line) in lines.enumerated() where kept.contains(index) { try new.append([UInt8](line) + [0x0A]) }
        try new.commit()
    }
}
