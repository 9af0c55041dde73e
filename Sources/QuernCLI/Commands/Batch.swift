import ArgumentParser
import Foundation
import QuernBatch
import QuernJSON

/// A file of requests, answered into a file.
struct Batch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer a file of requests (OpenAI Batch format), resumably.",
        discussion: """
            Every line of the input is {"custom_id", "method", "url", "body"}, or short: {"prompt": …} or {"messages": …} with \
            any request fields. Answers are appended to the output as they come, matched by custom_id. A run that was \
            interrupted or killed goes on where it stopped when the same command is given again; no row is lost or answered \
            twice. Rows that fail go to --errors and do not stop the others; then the exit status is 3, and --retry-failed \
            tries them again.

            Examples:
              quern batch requests.jsonl -o answers.jsonl
              quern batch requests.jsonl -o answers.jsonl --retry-failed
              quern batch --local -m models/qwen.quern -j 16 requests.jsonl -o answers.jsonl
              jq -c '{custom_id: .id, prompt: .question}' rows.jsonl | quern batch - -o answers.jsonl
            """)

    @Argument(help: "Requests, one JSON object per line; - reads standard input.")
    var input: String

    @Option(name: .shortAndLong, help: "Answers, appended.")
    var output: String

    @Option(help: "Rows that failed, appended (default: the output's name with .errors before its extension).")
    var errors: String?

    @Flag(help: "Try rows in --errors again.")
    var retryFailed = false

    @Flag(help: "Print a summary as JSON to stdout.")
    var json = false

    @Option(name: [.customShort("j"), .long], help: "Rows answered at a time.")
    var concurrency = 8

    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard (1...256).contains(concurrency) else { throw ValidationError("--concurrency is \(concurrency), allowed is 1...256") }
        if errorPath == output { throw ValidationError("--errors and --output are the same file") }
    }

    private var errorPath: String {
        if let errors { return errors }
        let url = URL(filePath: output)
        guard !url.pathExtension.isEmpty else { return output + ".errors" }
        return output.dropLast(url.pathExtension.count) + "errors." + url.pathExtension
    }

    func run() async throws {
        let progress = try await answerAll()
        if retryFailed { try files.forgetOldErrors() }
        Terminal.note(
            "\(progress.rows) rows: \(progress.answered) answered, \(progress.failed) failed"
                + (progress.failed > 0 ? " (\(errorPath))" : "")
                + String(format: "; %d prompt and %d generated tokens in %.1f s", progress.promptTokens, progress.completionTokens, progress.seconds))
        if json { _ = try StandardOutput.write(progress.json(output: output, errors: errorPath).serialized(.pretty) + "\n") }
        if progress.failed > 0 { throw Failure.partial }
    }

    private var files: BatchRun.Files { BatchRun.Files(output: output, errors: errorPath) }

    private func rows() throws -> BatchInput {
        guard input != "-" else {
            return try BatchInput([UInt8](FileHandle.standardInput.readDataToEndOfFile()), name: "standard input")
        }
        guard let data = FileManager.default.contents(atPath: input) else {
            throw Failure.missing("\(input): \(String(cString: strerror(errno)))")
        }
        return try BatchInput([UInt8](data), name: input)
    }

    private func answerAll() async throws -> BatchRun.Progress {
        let rows = try rows()
        let run = try BatchRun(rows, into: files, retriesFailed: retryFailed)
        guard !run.isComplete else { return await run.progress }
        let service = try await options.connect(maxSequences: concurrency)
        let (limit, model) = (concurrency, options.model.map { _ in service.modelID })
        let start = Double(run.earlierCount) / Double(rows.count)
        do {
            try await withInterruption {
                let bar = ProgressBar("batch", startingAt: start)
                defer { bar.finish() }
                try await concurrently(limit: limit, inOrder: false) {
                    await run.next()
                } work: { _, row in
                    (row, try await Self.answer(row, model, service))
                } deliver: { _, result in
                    try await run.record(result.0, result.1)
                    let progress = await run.progress
                    bar.update(progress.fraction, detail: progress.summary)
                    return true
                }
            }
            try await run.finish()
        } catch {
            try await run.finish()
            let progress = await run.progress
            Terminal.note("\(progress.answered + progress.failed) of \(progress.rows) rows done; the same command goes on from here")
            throw error
        }
        return await run.progress
    }

    /// - Throws: only what ends the batch: the daemon went away, Ctrl-C.
    private static func answer(
        _ row: BatchInput.Row, _ model: String?, _ service: Service
    ) async throws -> Result<BatchRun.Answer, BatchInput.Problem> {
        switch row.content {
        case .failure(let problem): return .failure(problem)
        case .success(var request):
            if let model { request.body["model"] = .string(model) }
            // Whoever waits at a terminal goes first.
            if request.body["priority"] == nil { request.body["priority"] = "batch" }
            let answer = try await service.client.postPatiently(request.path, .object(request.body))
            return .success(BatchRun.Answer(status: answer.status, body: answer.json))
        }
    }
}

extension BatchRun.Progress {
    fileprivate var fraction: Double { Double(answered + failed) / Double(max(rows, 1)) }

    fileprivate var summary: String {
        "\(answered + failed)/\(rows) rows, \(failed) failed, \(Int(Double(completionTokens) / max(seconds, 1e-3))) tok/s"
    }

    fileprivate func json(output: String, errors: String) -> JSONValue {
        [
            "rows": .int(Int64(rows)), "answered": .int(Int64(answered)), "failed": .int(Int64(failed)),
            "prompt_tokens": .int(Int64(promptTokens)), "completion_tokens": .int(Int64(completionTokens)),
            "seconds": .double((seconds * 1000).rounded() / 1000), "output": .string(output), "errors": .string(errors),
        ]
    }
}
