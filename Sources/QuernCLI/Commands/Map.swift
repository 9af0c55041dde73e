import ArgumentParser
import Foundation
import QuernBatch
import QuernJSON

/// One prompt template, once per input record.
struct Map: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer one prompt per line of standard input: in order, several at a time.",
        discussion: """
            The template's {} is the line; {name} is a field, and then every line is a JSON object. Braces around anything \
            else are text; {{}} and {{name}} stand for {} and {name}. A template without a place is followed by the line.

            Line N of the output answers line N of the input: line breaks inside an answer are written as \\n, and left out of \
            JSON that --schema asked for. With -0 records and answers end with a zero byte and answers stay as they are; --json \
            prints one object per record. A record that fails leaves an empty answer and a message on stderr; then the exit \
            status is 3.

            Examples:
              quern map "Translate into French: {}" < phrases.txt
              find . -name '*.md' -print0 | quern map -0 "What language is the file name {} in?"
              quern map --json "Is {name} in {country}? Answer yes or no." < places.jsonl
              quern map -j 16 --choice good --choice bad --temperature 0 "Sentiment: {}" < reviews.txt | sort | uniq -c
              quern map --schema person.schema.json "Who is this about? {}" < news.txt > people.jsonl
            """)

    @Argument(help: "The prompt template.")
    var template: String

    @Flag(name: [.customShort("0"), .customLong("null")], help: "Records and answers end with a zero byte instead of a newline.")
    var null = false

    @Flag(help: "Print {\"index\", \"input\", \"output\", \"finish_reason\", \"usage\"} or {\"index\", \"input\", \"error\"} per record.")
    var json = false

    @Option(name: [.customShort("j"), .long], help: "Records answered at a time.")
    var concurrency = 8

    @OptionGroup var generation: GenerationOptions
    @OptionGroup var shape: ShapeOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard (1...256).contains(concurrency) else { throw ValidationError("--concurrency is \(concurrency), allowed is 1...256") }
    }

    private struct Outcome: Sendable {
        let record: [UInt8]
        let answer: Result<JSONValue, Failure>
    }

    func run() async throws {
        let template = PromptTemplate(template)
        let shape = try shape.read()
        let service = try await options.connect(maxSequences: concurrency)
        let records = RecordReader(separator: null ? 0 : 0x0A)
        let generation = generation
        let limit = concurrency
        let failures = try await withInterruption {
            var failures = 0
            try await concurrently(limit: limit, inOrder: true) {
                try await records.next()
            } work: { _, record in
                try await Self.outcome(of: record, template, generation, shape, service)
            } deliver: { index, outcome in
                if case .failure(let failure) = outcome.answer {
                    failures += 1
                    Terminal.note("quern: record \(index + 1): \(failure.message)")
                }
                return try StandardOutput.write(json ? object(index, outcome, template) : line(outcome, shape)) == .written
            }
            return failures
        }
        if failures > 0 { throw Failure.partial }
    }

    private static func outcome(
        of record: [UInt8], _ template: PromptTemplate, _ generation: GenerationOptions, _ shape: AnswerShape?, _ service: Service
    ) async throws -> Outcome {
        do {
            let call = generation.request(try template.prompt(for: record), shape, to: service)
            let answer = try await call.client.postPatiently(call.path, .object(call.body))
            guard answer.status == 200 else { return Outcome(record: record, answer: .failure(answer.failure)) }
            try shape?.check(answer.json.answerText ?? "")
            return Outcome(record: record, answer: .success(answer.json))
        } catch let failure as Failure where failure.status != 69 {     // without a daemon no record can be answered
            return Outcome(record: record, answer: .failure(failure))
        }
    }

    private func line(_ outcome: Outcome, _ shape: AnswerShape?) -> [UInt8] {
        let text = (try? outcome.answer.get())?.answerText ?? ""
        guard !null else { return Array(text.utf8) + [0] }
        // Between the parts of a JSON document a line break is white space; inside a string there is none.
        if shape?.isJSON == true { return text.utf8.filter { $0 != 0x0A && $0 != 0x0D } + [0x0A] }
        // Bytes, because CR LF is one Character and neither of the two.
        return text.utf8.flatMap { byte in byte == 0x0A ? Array("\\n".utf8) : byte == 0x0D ? Array("\\r".utf8) : [byte] } + [0x0A]
    }

    private func object(_ index: Int, _ outcome: Outcome, _ template: PromptTemplate) -> [UInt8] {
        var row = JSONObject()
        row.append("index", .int(Int64(index)))
        let input = template.readsFields ? try? JSONValue(parsing: outcome.record) : nil
        row.append("input", input ?? .string(String(decoding: outcome.record, as: UTF8.self)))
        switch outcome.answer {
        case .success(let json):
            row.append("output", .string(json.answerText ?? ""))
            row.append("finish_reason", json["choices"]?.arrayValue?.first?["finish_reason"] ?? .null)
            row.append("usage", json["usage"] ?? .null)
        case .failure(let failure): row.append("error", ["message": .string(failure.message)])
        }
        return Array((JSONValue.object(row).serialized() + "\n").utf8)
    }
}
