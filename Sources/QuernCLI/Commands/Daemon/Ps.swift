import ArgumentParser
import Foundation
import QuernJSON
import QuernServer

/// The models of a daemon and what they do.
struct Ps: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the daemon's models: loaded or not, memory, requests, time left.",
        discussion: """
            Looking neither loads a model nor keeps one loaded.

            Examples:
              quern ps
              quern ps --load coder            load a model before it is needed
              quern ps --unload coder
              quern ps --json | jq '.data[].id'
            """)

    @Option(help: ArgumentHelp("Load this model first.", valueName: "model"))
    var load: String?

    @Option(help: ArgumentHelp("Unload this model first.", valueName: "model"))
    var unload: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup(title: "Configuration") var source: ConfigurationOptions
    @OptionGroup var sockets: SocketOptions

    func run() async throws {
        let client = APIClient(peer: .daemon(socket: sockets.paths(try source.settings()).http))
        for (action, model) in [("unload", unload), ("load", load)] {
            guard let model else { continue }
            let answer = try await client.post("/models/\(action)", ["model": .string(model)])
            guard answer.status == 200 else { throw answer.failure }
        }
        let models = try await client.get("/models")
        _ = try StandardOutput.write(json ? models.serialized(.pretty) + "\n" : Self.table(models))
    }

    private static func table(_ json: JSONValue) -> String {
        func number(_ value: JSONValue?) -> Int { Int(clamping: value?.intValue ?? 0) }
        let rows = (json["data"]?.arrayValue ?? []).map { model in
            let state = model["status"]?["value"]?.stringValue ?? ""
            let left = model["idle_unload_seconds"]?.intValue.map { max(0, $0 - (model["idle_seconds"]?.intValue ?? 0)) }
            return [
                model["id"]?.stringValue ?? "", state, "\(number(model["estimated_bytes"]) >> 20) MiB",
                "\(number(model["live_requests"]))", "\(number(model["running"]))", "\(number(model["waiting"]))",
                state == "loaded" ? left.map { "\($0) s" } ?? "never" : "-",
            ]
        }
        let table = [["MODEL", "STATE", "MEMORY", "REQUESTS", "RUNNING", "WAITING", "UNLOADS IN"]] + rows
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        let lines = table.map { row in
            zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
                .trimmingCharacters(in: .whitespaces)
        }
        let total = "\(number(json["used_bytes"]) >> 20) of \(number(json["budget_bytes"]) >> 20) MiB"
        return lines.joined(separator: "\n") + "\n" + total + "\n"
    }
}
