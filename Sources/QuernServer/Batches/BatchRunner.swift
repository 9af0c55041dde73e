// Answers the rows of batches: one batch of every user at a time, at batch priority, from wherever it stands.
//
// Owns: the way of a batch from validation to its end. Does not own: its state (BatchStore), its results (BatchRun). Invariants:
// what the daemon's end interrupts goes on in the next one; only a batch's own file, its user or its window ends it early, never
// the disk.
import Logging
import QuernAPI
import QuernBatch
import QuernJSON
import ServiceLifecycle

struct BatchRunner: Service {
    let store: BatchStore
    let client: RowClient
    let logger: Logger

    func run() async {
        do {
            try await store.open()
        } catch {
            logger.warning("no batches", metadata: ["reason": "\(error.message)"])
        }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { tasks in
                for await job in store.jobs { tasks.addTask { await finish(job) } }
                tasks.cancelAll()
            }
        }
    }

    /// Tries until the batch is over or the daemon ends.
    private func finish(_ job: BatchJob) async {
        var logger = logger
        logger[metadataKey: "batch"] = "\(job.id)"
        logger[metadataKey: "uid"] = "\(job.owner)"
        while !Task.isCancelled {
            do {
                if let end = try await attempt(job) { logger.notice("batch over", metadata: ["status": "\(end.rawValue)"]) }
                return
            } catch {
                let reason = (error as? APIError)?.message ?? "\(error)"
                logger.error("batch interrupted; trying again in a minute", metadata: ["reason": "\(reason)"])
                try? await Task.sleep(for: .seconds(60))
            }
        }
    }

    /// - Returns: how the batch ended; nil when the daemon ends first.
    /// - Throws: what the disk has against it.
    private func attempt(_ job: BatchJob) async throws -> BatchObject.Status? {
        guard let batch = await store.state(of: job) else { return nil }
        do {
            let input = try BatchInput(try await store.input(of: job), name: batch.inputFileID, endpoint: batch.endpoint)
            guard input.count <= store.limits.rows else {
                throw BatchInput.Problem(
                    code: "too_many_rows", message: "the file has \(input.count) rows, the limit is \(store.limits.rows); split it")
            }
            return try await answer(job, batch, try await store.begin(job, input))
        } catch let error as BatchInput.Problem {
            try await store.end(job, as: .failed, nil, because: BatchObject.Problem(code: error.code, message: error.message))
        } catch let error as BatchError where error.kind == .malformed {
            let problem = BatchObject.Problem(code: "invalid_file", message: error.description)
            try await store.end(job, as: .failed, nil, because: problem)
        }
        return .failed
    }

    private func answer(_ job: BatchJob, _ batch: BatchObject, _ run: BatchRun) async throws -> BatchObject.Status? {
        let answering = Task { try await answerRows(run, job.owner) }
        let timer = Task {
            try await Task.sleep(for: .seconds(max(0, batch.expiresAt - BatchStore.now)))
            answering.cancel()
        }
        await store.setStop(job) { answering.cancel() }
        let outcome = await withTaskCancellationHandler { await answering.result } onCancel: { answering.cancel() }
        timer.cancel()
        if case .failure(let error) = outcome, !(error is CancellationError) { throw error }
        guard !Task.isCancelled else {
            try await run.finish()
            return nil
        }
        let end: BatchObject.Status
        if await store.state(of: job)?.status == .cancelling {
            end = .cancelled
            try await run.giveUp(
                BatchInput.Problem(code: "batch_cancelled", message: "the batch was cancelled before this row was answered"))
        } else if case .failure = outcome {
            end = .expired
            try await run.giveUp(
                BatchInput.Problem(code: "batch_expired", message: "the completion window ended before this row was answered"))
        } else {
            end = .completed
            try await store.update(job) { $0.move(to: .finalizing, at: BatchStore.now) }
        }
        try await run.finish()
        try await store.end(job, as: end, BatchObject.Counts(await run.progress))
        return end
    }

    private func answerRows(_ run: BatchRun, _ owner: UInt32) async throws {
        try await concurrently(limit: store.limits.concurrency, inOrder: false) {
            await run.next()
        } work: { _, row in
            (row, try await answer(row, owner))
        } deliver: { _, result in
            try await run.record(result.0, result.1)
            return true
        }
        try Task.checkCancellation()
    }

    private func answer(_ row: BatchInput.Row, _ owner: UInt32) async throws -> Result<BatchRun.Answer, BatchInput.Problem> {
        switch row.content {
        case .failure(let problem): return .failure(problem)
        case .success(var request):
            request.body["priority"] = "batch"
            return .success(try await client.postPatiently(request.path, .object(request.body), as: owner))
        }
    }
}
