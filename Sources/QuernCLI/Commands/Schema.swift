// Says what of a JSON Schema quern enforces, before ten thousand answers are asked for.
import ArgumentParser
import Foundation
import Quern
import QuernGrammar
import QuernJSON

struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Check JSON Schemas for constrained answers.", subcommands: [Check.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say which keywords of a schema are enforced and which cannot be.",
            discussion: """
                Needs no daemon and no model. A schema with a keyword that cannot be enforced is refused when it is used; this \
                lists all of them at once. Exit status 0 when it can be used, 65 when it cannot.

                Examples:
                  quern schema check answer.schema.json
                  quern schema check --json - < answer.schema.json
                """)

        @Argument(help: "The schema; - reads standard input.")
        var file: String

        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            let report = SchemaReport(try read())
            _ = try StandardOutput.write(json ? report.json.serialized(.pretty) + "\n" : describe(report))
            if !report.problems.isEmpty { throw Failure(status: 65, message: json ? "" : "the schema cannot be used") }
        }

        private func read() throws -> JSONValue {
            let data: Data
            if file == "-" {
                data = FileHandle.standardInput.readDataToEndOfFile()
            } else if let contents = FileManager.default.contents(atPath: file) {
                data = contents
            } else {
                throw Failure.missing("\(file): cannot be read")
            }
            do {
                return try JSONValue(parsing: [UInt8](data))
            } catch {
                throw Failure(status: 65, message: "\(file): \(error)")
            }
        }

        private func describe(_ report: SchemaReport) -> String {
            var lines = report.problems.map { "refused    \($0)" }
            lines += report.enforced.map { "enforced   \($0.pointer)" }
            lines += report.annotations.map { "no effect  \($0.pointer)" }
            if let states = report.stateCount {
                let milliseconds = (report.compileTime / .microseconds(100)).rounded() / 10
                lines.append("\(states) states, compiled in \(milliseconds) ms")
            }
            return lines.map { $0 + "\n" }.joined()
        }
    }
}
