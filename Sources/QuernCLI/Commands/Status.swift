import ArgumentParser
import Foundation
import QuernJSON
import QuernServer

/// Whether a daemon runs, and what it serves.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether a daemon runs and which model it serves.",
        discussion: """
            Examples:
              quern status
              quern status --json --socket /run/user/1000/q.sock
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var sockets: SocketOptions

    func run() async throws {
        let paths = sockets.paths
        guard let daemon = try await DaemonClient.connect(paths.http, serving: nil) else {
            throw Failure.noDaemon("\(paths.http): no daemon answers there; start one with `quern serve`")
        }
        let model = try await daemon.get("/v1/models")["data"]?.arrayValue?.first ?? .null
        let report: JSONValue = ["socket": .string(paths.http), "pipe_socket": .string(paths.pipe), "model": model]
        let text = json
            ? report.serialized(.pretty)
            : "\(daemon.modelID) on \(paths.http)\n\((model["meta"] ?? .null).serialized(.pretty))"
        _ = try StandardOutput.write(text + "\n")
    }
}
