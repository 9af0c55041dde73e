// Batches: made, listed, cancelled; and what their runner does to them.
import Foundation
import Glibc
import QuernAPI
import QuernBatch
import QuernTensor

extension BatchStore {
    func create(_ request: BatchRequest, by owner: UInt32) throws(APIError) -> BatchObject {
        try open(creating: true)
        guard let file = users[owner]?.files.first(where: { $0.id.utf8.elementsEqual(request.inputFileID.utf8) }) else {
            throw Self.notFound("file", request.inputFileID, param: "input_file_id")
        }
        guard file.purpose == .batch else {
            throw .invalid("input_file_id", "\(file.id) has the purpose \(file.purpose.rawValue), expected batch")
        }
        let batches = users[owner]?.batches ?? []
        let live = batches.count { !$0.status.isFinal }
        guard live < limits.liveBatchesPerUser else {
            throw APIError(
                status: 429, type: "rate_limit_error", code: "too_many_batches",
                message: "you have \(live) batches that are not over, the limit is \(limits.liveBatchesPerUser); wait or cancel some")
        }
        let batch = BatchObject(id: Self.newID("batch_"), request, at: Self.now)
        try write(batch.json, batch.id, owner)
        users[owner]?.batches.append(batch)
        forgetOldBatches(of: owner)
        offer(owner)
        return batch
    }

    /// Descriptions of batches that are over do not pile up for ever.
    private func forgetOldBatches(of owner: UInt32) {
        while let batches = users[owner]?.batches, batches.count > limits.batchesPerUser,
            let oldest = batches.firstIndex(where: \.status.isFinal)
        {
            unlink("\(folder(owner))/\(batches[oldest].id).json")
            users[owner]?.batches.remove(at: oldest)
        }
    }

    /// With the counts of the moment.
    func batches(of owner: UInt32) async throws(APIError) -> [BatchObject] {
        try open()
        let progress = await running[owner]?.run?.progress
        let id = running[owner]?.id
        return (users[owner]?.batches ?? []).map { batch in
            var batch = batch
            if batch.id == id, let progress { batch.counts = BatchObject.Counts(progress) }
            return batch
        }
    }

    func batch(_ id: String, of owner: UInt32) async throws(APIError) -> BatchObject {
        guard let batch = try await batches(of: owner).first(where: { $0.id.utf8.elementsEqual(id.utf8) }) else {
            throw Self.notFound("batch", id)
        }
        return batch
    }

    func cancel(_ id: String, of owner: UInt32) async throws(APIError) -> BatchObject {
        let batch = try await batch(id, of: owner)
        guard !batch.status.isFinal else {
            throw APIError(
                status: 409, type: "invalid_request_error", code: "batch_over", param: "id",
                message: "\(batch.id) is \(batch.status.rawValue) already")
        }
        let job = BatchJob(id: batch.id, owner: owner)
        try update(job) { $0.move(to: .cancelling, at: Self.now) }
        if running[owner]?.id == batch.id { running[owner]?.stop?() }
        return try await self.batch(batch.id, of: owner)
    }

    // MARK: Running

    /// Hands the oldest batch of a user to the runner, when none of theirs runs.
    func offer(_ owner: UInt32) {
        guard running[owner] == nil, let next = users[owner]?.batches.first(where: { !$0.status.isFinal }) else { return }
        running[owner] = (next.id, nil, nil)
        feed.yield(BatchJob(id: next.id, owner: owner))
    }

    /// As it was last written.
    func state(of job: BatchJob) -> BatchObject? { users[job.owner]?.batches.first { $0.id == job.id } }

    /// The bytes of a batch's input.
    func input(of job: BatchJob) throws -> [UInt8] {
        guard let batch = state(of: job), let data = FileManager.default.contents(atPath: path(batch.inputFileID, job.owner))
        else { throw BatchInput.Problem(code: "file_not_found", message: "the input file is gone") }
        return [UInt8](data)
    }

    /// Opens the results of a batch, and keeps its counts visible while it runs.
    func begin(_ job: BatchJob, _ input: BatchInput) throws -> BatchRun {
        running[job.owner]?.run = nil
        let files = BatchRun.Files(
            output: path(BatchObject.outputID(of: job.id), job.owner), errors: path(BatchObject.errorsID(of: job.id), job.owner),
            mode: 0o600)
        let run = try BatchRun(input, into: files)
        if state(of: job)?.status == .validating { try update(job) { $0.move(to: .inProgress, at: Self.now) } }
        running[job.owner]?.run = run
        return run
    }

    /// What a cancelled batch calls.
    func setStop(_ job: BatchJob, _ stop: @escaping @Sendable () -> Void) {
        running[job.owner]?.stop = stop
        if state(of: job)?.status == .cancelling { stop() }
    }

    /// Changes a batch and makes the change durable.
    func update(_ job: BatchJob, _ change: (inout BatchObject) -> Void) throws(APIError) {
        guard let index = users[job.owner]?.batches.firstIndex(where: { $0.id == job.id }), var batch = state(of: job)
        else { return }
        change(&batch)
        try write(batch.json, batch.id, job.owner)
        users[job.owner]?.batches[index] = batch
    }

    /// Gives clients the results that are there, and the user's next batch its turn.
    ///
    /// - Parameter counts: nil leaves them as they are.
    func end(
        _ job: BatchJob, as status: BatchObject.Status, _ counts: BatchObject.Counts?, because problem: BatchObject.Problem? = nil
    ) throws(APIError) {
        let output = try publish(BatchObject.outputID(of: job.id), "\(job.id)_output.jsonl", job.owner)
        let errors = try publish(BatchObject.errorsID(of: job.id), "\(job.id)_errors.jsonl", job.owner)
        try update(job) { batch in
            (batch.outputFileID, batch.errorFileID) = (output, errors)
            if let counts { batch.counts = counts }
            batch.move(to: status, at: Self.now, because: problem)
        }
        running[job.owner] = nil
        offer(job.owner)
    }

    /// Describes a file of results; an empty one is removed.
    private func publish(_ id: String, _ filename: String, _ owner: UInt32) throws(APIError) -> String? {
        let size = FileStatus(path: path(id, owner))?.byteCount ?? 0
        guard size > 0 else {
            unlink(path(id, owner))
            return nil
        }
        let file = FileObject(id: id, byteCount: size, createdAt: Self.now, filename: filename, purpose: .batchOutput)
        try write(file.json, id, owner)
        users[owner]?.files.removeAll { $0.id == id }
        users[owner]?.files.append(file)
        return id
    }
}

/// A batch to run.
struct BatchJob: Sendable {
    let id: String
    let owner: UInt32
}

extension BatchObject {
    /// Result files are named after their batch, so that a daemon that was killed finds them again.
    static func outputID(of id: String) -> String { id.replacing("batch_", with: "file-") + "-output" }
    static func errorsID(of id: String) -> String { id.replacing("batch_", with: "file-") + "-errors" }

    var outputID: String { Self.outputID(of: id) }
    var errorsID: String { Self.errorsID(of: id) }
}

extension BatchObject.Counts {
    init(_ progress: BatchRun.Progress) { self.init(total: progress.rows, completed: progress.answered, failed: progress.failed) }
}
