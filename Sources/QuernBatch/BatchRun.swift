// Which rows of a batch are still to be answered, and where their answers go.
//
// Owns: the two result files. Does not own: asking a model. Invariant: when a run ends, by whatever means, every row of the input
// is in exactly one place: the output, the errors, or still to be done.
import Glibc
import QuernJSON

public actor BatchRun {
    /// Figures of a batch so far; tokens and seconds are this run's.
    public struct Progress: Sendable {
        public var rows = 0
        public var answered = 0
        public var failed = 0
        public var promptTokens = 0
        public var completionTokens = 0
        public var seconds = 0.0
    }

    /// What a route answered to a row.
    public struct Answer: Sendable {
        public let status: Int
        public let body: JSONValue

        public init(status: Int, body: JSONValue) {
            self.status = status
            self.body = body
        }
    }

    /// Where the results go.
    public struct Files: Sendable {
        public let output: String
        public let errors: String
        /// Permissions of files that are made.
        public let mode: mode_t

        public init(output: String, errors: String, mode: mode_t = 0o644) {
            self.output = output
            self.errors = errors
            self.mode = mode
        }

        /// Once no run has them: forgets the errors of rows that succeeded when they were tried again.
        public func forgetOldErrors() throws {
            try ResultLog.compact(errors, dropping: Set(try ResultLog(path: output, mode: mode).ids), mode: mode)
        }
    }

    private let files = FileQueue("quern.batch")
    public nonisolated var unownedExecutor: UnownedSerialExecutor { files.asUnownedSerialExecutor() }

    private let input: BatchInput
    private let output: ResultLog
    private let errors: ResultLog
    /// Indices of the rows to be answered in this run, and how many of them were given out.
    private let pending: [Int]
    private var taken = 0
    private let started = ContinuousClock.now
    public private(set) var progress = Progress()

    /// - Parameter retriesFailed: rows that an earlier run gave up are to be done again.
    /// - Throws: `BatchError` when the files cannot be written or are not this batch's.
    public init(_ input: BatchInput, into files: Files, retriesFailed: Bool = false) throws {
        self.input = input
        self.output = try ResultLog(path: files.output, mode: files.mode)
        let done = Set(self.output.ids)
        guard done.count == self.output.ids.count else {
            throw BatchError(.malformed, "\(files.output): has a row twice; it was not written by one batch")
        }
        // A run with --retry-failed that was killed leaves errors of rows that have an answer by now.
        try ResultLog.compact(files.errors, dropping: done, mode: files.mode)
        self.errors = try ResultLog(path: files.errors, mode: files.mode)
        let known = Set(input.ids.map { Array($0.utf8) })
        for log in [self.output, self.errors] {
            if let foreign = log.ids.first(where: { !known.contains($0) }) {
                throw BatchError(
                    .malformed, "\(log.path): has row \"\(String(decoding: foreign, as: UTF8.self))\", which the input has not; "
                        + "it belongs to another batch: choose another -o or remove it")
            }
        }
        let given = retriesFailed ? done : done.union(self.errors.ids)
        pending = input.ids.indices.filter { !given.contains(Array(input.ids[$0].utf8)) }
        progress.rows = input.count
        progress.answered = done.count
        progress.failed = retriesFailed ? 0 : self.errors.ids.count
    }

    /// Nothing is left to be answered.
    public nonisolated var isComplete: Bool { pending.isEmpty }

    /// Rows that an earlier run has done, or given up.
    public nonisolated var earlierCount: Int { input.count - pending.count }

    /// The next row to be answered.
    public func next() -> BatchInput.Row? {
        guard taken < pending.count else { return nil }
        taken += 1
        return input.row(pending[taken - 1])
    }

    /// Keeps the answer of one row.
    public func record(_ row: BatchInput.Row, _ answer: Result<Answer, BatchInput.Problem>) throws {
        switch answer {
        case .success(let answer):
            let response: JSONValue = [
                "status_code": .int(Int64(answer.status)), "request_id": answer.body["id"] ?? .null, "body": answer.body,
            ]
            let isAnswered = answer.status == 200
            try (isAnswered ? output : errors).append(id: row.id, response: response, error: .null)
            if isAnswered { progress.answered += 1 } else { progress.failed += 1 }
            progress.promptTokens += Int(clamping: answer.body["usage"]?["prompt_tokens"]?.intValue ?? 0)
            progress.completionTokens += Int(clamping: answer.body["usage"]?["completion_tokens"]?.intValue ?? 0)
        case .failure(let problem): try fail(row.id, problem)
        }
        progress.seconds = (ContinuousClock.now - started) / .seconds(1)
    }

    /// Records every row that has no result yet as failed.
    public func giveUp(_ problem: BatchInput.Problem) throws {
        let known = Set(output.ids).union(errors.ids)
        for index in pending where !known.contains(Array(input.ids[index].utf8)) { try fail(input.ids[index], problem) }
    }

    private func fail(_ id: String, _ problem: BatchInput.Problem) throws {
        try errors.append(id: id, response: .null, error: ["code": .string(problem.code), "message": .string(problem.message)])
        progress.failed += 1
    }

    /// Makes everything durable; call once, at the end.
    public func finish() throws {
        try output.sync()
        try errors.sync()
    }
}
