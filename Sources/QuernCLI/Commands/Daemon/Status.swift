import ArgumentParser
import Foundation
import QuernJSON
import QuernServer

/// Whether a daemon runs, and what it serves.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether a daemon runs, whether it is ready, and which models it serves.",
        discussion: """
            The exit status is 0 when it is ready, 75 while it loads, 69 when there is none.

            Examples:
              quern status
              quern status --json --socket /run/user/1000/q.sock
              until quern status >/dev/null 2>&1; do sleep 0.1; done
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup(title: "Configuration") var source: ConfigurationOptions
    @OptionGroup var sockets: SocketOptions

    func run() async throws {
        let paths = sockets.paths(try source.settings())
        guard FileManager.default.fileExists(atPath: paths.http) else {
            throw Failure.noDaemon("\(paths.http): no daemon answers there; start one with `quern serve`")
        }
        let client = APIClient(peer: .daemon(socket: paths.http))
        _ = try await client.get("/health")
        let models = try await client.get("/v1/models")["data"] ?? .array([])
        let device = try await client.get("/models")["device"] ?? .null
        if json {
            let report: JSONValue = [
                "socket": .string(paths.http), "pipe_socket": .string(paths.pipe),
                "pid": paths.owner.map { .int(Int64($0)) } ?? .null, "models": models, "device": device,
            ]
            _ = try StandardOutput.write(report.serialized(.pretty) + "\n")
        } else {
            let lines = (models.arrayValue ?? []).map { model in
                let meta = model["meta"]
                guard let context = meta?["n_ctx"]?.intValue else { return "\(model["id"]?.stringValue ?? "") (not loaded)" }
                return "\(model["id"]?.stringValue ?? ""): \(meta?["architecture"]?.stringValue ?? ""), "
                    + "\(meta?["precision"]?.stringValue ?? ""), context \(context), \(meta?["path"]?.stringValue ?? "")"
            }
            let process = paths.owner.map { ", pid \($0)" } ?? ""
            let target = device["id"]?.stringValue.map { ", device \($0)\(device["paced"] == true ? " at its pace" : "")" } ?? ""
            _ = try StandardOutput.write((["ready on \(paths.http)\(process)\(target)"] + lines).joined(separator: "\n") + "\n")
        }
    }
}
