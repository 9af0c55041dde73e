// Every user's files and batches: what is there, what may be added, and what of it survives the daemon.
//
//     STATE/batches/lock
//     STATE/batches/UID/file-….data       content: uploaded, or results, appended to while their batch runs
//     STATE/batches/UID/file-….json       its description; a file without one is not there for clients
//     STATE/batches/UID/batch_….json      a batch as the API shows it, replaced whole at every change
//
// Owns: the folder, the descriptions in memory, quotas. Does not own: running a batch (BatchRunner). Invariants: a user sees and
// touches only what is theirs; a description is on the disk before anybody is told of it; no name in a path is a client's.
import Foundation
import Glibc
import Logging
import QuernAPI
import QuernBatch
import QuernJSON
import QuernTensor

actor BatchStore {
    /// What one user has.
    struct User {
        /// Oldest first, as are batches.
        var files: [FileObject] = []
        var batches: [BatchObject] = []
        /// Bytes of uploads that are under way.
        var incomingBytes = 0

        var bytes: Int { files.reduce(incomingBytes) { $0 + $1.byteCount } }
    }

    private let queue = FileQueue("quern.files")
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    nonisolated let limits: BatchLimits
    private let directory: StateDirectory
    private let logger: Logger
    private var lock: StateLock?
    var users: [UInt32: User] = [:]
    var uploads: [String: Upload] = [:]
    /// The batch of each user that runs, and how to interrupt it.
    var running: [UInt32: (id: String, run: BatchRun?, stop: (@Sendable () -> Void)?)] = [:]
    /// Batches to run; one of a user at a time.
    nonisolated let jobs: AsyncStream<BatchJob>
    let feed: AsyncStream<BatchJob>.Continuation

    init(_ directory: StateDirectory, limits: BatchLimits, logger: Logger) {
        self.directory = directory
        self.limits = limits
        self.logger = logger
        (jobs, feed) = AsyncStream.makeStream()
    }

    // MARK: The folder

    /// Takes up what an earlier daemon left. Does nothing when that was done, or when there is nothing and `creating` is false.
    func open(creating: Bool = false) throws(APIError) {
        guard lock == nil else { return }
        do throws(StateError) {
            lock = try directory.open(creating: creating)
        } catch {
            throw APIError(
                status: 501, type: "not_supported_error", code: "no_state_directory",
                message: "files and batches cannot be kept: \(error); choose another folder with --state-dir")
        }
        guard lock != nil else { return }
        for name in names(in: directory.batches) {
            if let owner = UInt32(name) { load(owner) }
        }
    }

    private func load(_ owner: UInt32) {
        var user = User()
        var names = Set(names(in: folder(owner)))
        for name in names.sorted() where name.hasSuffix(".json") {
            let path = "\(folder(owner))/\(name)"
            let json = FileManager.default.contents(atPath: path).flatMap { try? JSONValue(parsing: [UInt8]($0)) } ?? .null
            let id = String(name.dropLast(5))
            if let file = FileObject(json), file.id == id, names.remove("\(id).data") != nil {
                user.files.append(file)
            } else if let batch = BatchObject(json), batch.id == id {
                user.batches.append(batch)
            } else {
                logger.warning("not a description of a file or batch; left alone", metadata: ["path": "\(path)"])
            }
        }
        user.files.sort { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        user.batches.sort { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        let live = user.batches.filter { !$0.status.isFinal }.flatMap { ["\($0.outputID).data", "\($0.errorsID).data"] }
        // Uploads that were broken off, and what a kill left between two steps.
        for name in names.subtracting(live) where name.hasSuffix(".data") || name.hasSuffix(".part") {
            unlink("\(folder(owner))/\(name)")
        }
        users[owner] = user
        offer(owner)
    }

    private func names(in folder: String) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] }
    func folder(_ owner: UInt32) -> String { "\(directory.batches)/\(owner)" }
    func path(_ id: String, _ owner: UInt32) -> String { "\(folder(owner))/\(id).data" }

    /// Makes a description durable.
    func write(_ json: JSONValue, _ id: String, _ owner: UInt32) throws(APIError) {
        do {
            let file = try AtomicFile(path: "\(folder(owner))/\(id).json", mode: 0o600)
            try file.append(Array(json.serialized().utf8))
            try file.commit()
        } catch {
            throw Self.failure(error)
        }
    }

    static func failure(_ error: SystemError) -> APIError {
        error.code == ENOSPC || error.code == EDQUOT || error.code == EFBIG
            ? APIError(
                status: 507, type: "insufficient_storage", code: "disk_full",
                message: "the disk of the state directory is full; delete files")
            : APIError(status: 500, type: "server_error", code: "state_failed", message: "the state directory failed: \(error)")
    }

    // MARK: Names

    static var now: Int { Int(Date().timeIntervalSince1970) }

    static func newID(_ prefix: String) -> String { prefix + UUID().uuidString.lowercased().filter { $0 != "-" } }

    static func notFound(_ kind: String, _ id: String, param: String = "id") -> APIError {
        APIError(
            status: 404, type: "not_found_error", code: "\(kind)_not_found", param: param,
            message: "you have no \(kind) \"\(id.prefix(64))\"")
    }
}
