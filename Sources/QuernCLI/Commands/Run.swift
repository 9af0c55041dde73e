import ArgumentParser
import Foundation
import Glibc
import QuernJSON

/// Answers one prompt.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer one prompt: through the daemon if one runs, else in this process.",
        discussion: """
            The answer goes to stdout and nothing else does; token counts and speed go to stderr. The prompt is the argument, \
            or standard input, or both (argument first). Ctrl-C ends the answer where it is.

            Examples:
              quern run "Explain quicksort in one sentence"
              cat main.c | quern run "Review this program:"
              quern run -m models/qwen.quern --temperature 0 --max-tokens 200 "Write a haiku"
              quern run --system "Answer in French." --stop "." "What is a quern?"
              quern run --raw "def fibonacci(n):" | head -5
              quern run --json "Say hello" | jq .usage
              quern run --schema person.schema.json "Ada Lovelace, born 1815" | jq .name
              quern run -m models/qwen.quern --device zhenwu-810e "Say hello"   # and how fast it would be there
            """)

    @Argument(help: "The prompt.")
    var prompt: String?

    @Flag(help: "Print the whole answer object: text, finish reason, usage, timings.")
    var json = false

    @OptionGroup var generation: GenerationOptions
    @OptionGroup var shape: ShapeOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
        let shape = try shape.read()
        let text = try promptText()
        let service = try await options.connect(maxSequences: 1)
        let call = generation.request(text, shape, to: service)
        let answer = AnswerWriter()
        let isJSON = json
        let timings: JSONValue?
        do {
            timings = try await withInterruption {
                guard isJSON else { return try await call.stream { try answer.write($0) == .written } }
                let whole = try await call.whole()
                guard whole.status == 200 else { throw whole.failure }
                try shape?.check(whole.json.answerText ?? "")
                _ = try StandardOutput.write(whole.json.serialized(.pretty) + "\n")
                return nil
            }
        } catch {
            try answer.end()
            throw error
        }
        try answer.end()
        if let timings {
            service.report(timings)
            try shape?.check(answer.text)
        }
    }

    private func promptText() throws -> String {
        var parts = [prompt].compactMap { $0 }
        if isatty(0) == 0 {
            let data = FileHandle.standardInput.readDataToEndOfFile()
            guard let piped = String(validating: data, as: UTF8.self) else {
                throw Failure(status: 65, message: "standard input is not valid UTF-8")
            }
            if piped.contains(where: { !$0.isWhitespace }) { parts.append(piped) }
        }
        guard parts.contains(where: { part in part.contains { !$0.isWhitespace } }) else {
            throw prompt == nil && isatty(0) == 1
                ? Failure.usage("no prompt: give one as an argument or pipe it in") : Failure(status: 65, message: "the prompt is empty")
        }
        return parts.joined(separator: "\n\n")
    }
}
