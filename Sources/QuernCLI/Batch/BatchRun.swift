// Which rows of a batch are still to be answered, and where their answers go.
//
// Owns: the two result files. Invariant: when a run ends, by whatever means, every row of the input is in exactly one place:
// the output, the errors, or still to be done.
import QuernJSON

actor BatchRun {
    /// Figures of a batch so far; tokens and seconds are this run's.
    struct Progress: Sendable {
        var rows = 0
        var answered = 0
        var failed = 0
        var promptTokens = 0
        var completionTokens = 0
        var seconds = 0.0
    }

    private let input: BatchInput
    private let output: ResultLog
    private let errors: ResultLog
    /// Indices of the rows to be answered in this run, and how many of them were given out.
    private let pending: [Int]
    private var taken = 0
    private let started = ContinuousClock.now
    private let bar: ProgressBar
    private(set) var progress = Progress()

    init(input: BatchInput, output: String, errors: String, retriesFailed: Bool) throws {
        self.input = input
        self.output = try ResultLog(path: output)
        let done = Set(self.output.ids)
        guard done.count == self.output.ids.count else {
            throw Failure(status: 65, message: "\(output): has a row twice; it was not written by one batch")
        }
        // A run with --retry-failed that was killed leaves errors of rows that have an answer by now.
        try ResultLog.compact(errors, dropping: done)
        self.errors = try ResultLog(path: errors)
        let known = Set(input.ids.map { Array($0.utf8) })
        for (path, log) in [(output, self.output), (errors, self.errors)] {
            if let foreign = log.ids.first(where: { !known.contains($0) }) {
                throw Failure(
                    status: 65, message: "\(path): has row \"\(String(decoding: foreign, as: UTF8.self))\", which the input has not; "
                        + "it belongs to another batch: choose another -o or remove it")
            }
        }
        let given = retriesFailed ? done : done.union(self.errors.ids)
        pending = input.ids.indices.filter { !given.contains(Array(input.ids[$0].utf8)) }
        progress.rows = input.count
        progress.answered = done.count
        progress.failed = retriesFailed ? 0 : self.errors.ids.count
        bar = ProgressBar("batch", startingAt: Double(input.count - pending.count) / Double(input.count))
    }

    /// Nothing is left to be answered.
    nonisolated var isComplete: Bool { pending.isEmpty }

    /// The next row to be answered.
    func next() -> BatchInput.Row? {
        guard taken < pending.count else { return nil }
        taken += 1
        return input.row(pending[taken - 1])
    }

    /// Keeps the answer of one row.
    func record(_ row: BatchInput.Row, _ answer: Result<APIClient.Answer, BatchInput.Problem>) throws {
        switch answer {
        case .success(let answer):
            let response: JSONValue = [
                "status_code": .int(Int64(answer.status)), "request_id": answer.json["id"] ?? .null, "body": answer.json,
            ]
            let isAnswered = answer.status == 200
            try (isAnswered ? output : errors).append(id: row.id, response: response, error: .null)
            if isAnswered { progress.answered += 1 } else { progress.failed += 1 }
            progress.promptTokens += Int(clamping: answer.json["usage"]?["prompt_tokens"]?.intValue ?? 0)
            progress.completionTokens += Int(clamping: answer.json["usage"]?["completion_tokens"]?.intValue ?? 0)
        case .failure(let problem):
            try errors.append(id: row.id, response: .null, error: ["code": .string(problem.code), "message": .string(problem.message)])
            progress.failed += 1
        }
        progress.seconds = (ContinuousClock.now - started) / .seconds(1)
        let finished = progress.answered + progress.failed
        bar.update(
            Double(finished) / Double(progress.rows),
            detail: "\(finished)/\(progress.rows) rows, \(progress.failed) failed, "
                + "\(Int(Double(progress.completionTokens) / max(progress.seconds, 1e-3))) tok/s")
    }

    /// Makes everything durable; call once, at the end.
    func finish() throws {
        bar.finish()
        try output.sync()
        try errors.sync()
    }

    /// After `finish`, once the run is gone: forgets the errors of rows that succeeded when they were tried again.
    static func forgetOldErrors(output: String, errors: String) throws {
        try ResultLog.compact(errors, dropping: Set(try ResultLog(path: output).ids))
    }
}
