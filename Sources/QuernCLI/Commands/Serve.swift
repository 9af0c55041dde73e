import ArgumentParser
import Foundation
import Glibc
import Logging
import Quern
import QuernEngine
import QuernServer

/// Serves a model in the foreground.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a model on two Unix sockets: HTTP (OpenAI-compatible) and raw pipe.",
        discussion: """
            Runs in the foreground and logs to stderr; SIGTERM or Ctrl-C finishes live requests and exits.

            Examples:
              quern serve models/qwen.quern
              quern serve --socket /run/user/1000/q.sock --threads 4
              quern serve models/qwen.quern --http 127.0.0.1:8080
              curl --unix-socket $SOCK http://localhost/v1/chat/completions \\
                -H 'Content-Type: application/json' \\
                -d '{"messages":[{"role":"user","content":"Hello"}]}'
              printf 'Write a haiku' | nc -N -U $PIPE
            """)

    @Argument(help: "A .quern archive, a GGUF file, a model directory, or a name in models/.")
    var model: String?

    @OptionGroup var sockets: SocketOptions
    @OptionGroup var loading: LoadingOptions

    @Option(help: "Sequences computed together.")
    var maxSequences = 64

    @Option(help: ArgumentHelp(
        "Also show a page with a chat and live figures to browsers, at 127.0.0.1:PORT or [::1]:PORT. Unlike the sockets, every "
            + "user of this machine can reach it.",
        valueName: "address"))
    var http: String?

    @Option(help: "trace, debug, info, notice, warning or error.")
    var logLevel = "info"

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else { throw ValidationError("--log-level \(logLevel) is not a level") }
        if let http, LoopbackAddress(http) == nil {
            throw ValidationError("--http is \(http), expected 127.0.0.1:PORT or [::1]:PORT: quern listens to this machine only")
        }
        guard (1...256).contains(maxSequences) else { throw ValidationError("--max-sequences is \(maxSequences), allowed is 1...256") }
    }

    func run() async throws {
        let level = Logger.Level(rawValue: logLevel) ?? .info
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "quern")
        logger.logLevel = level
        let endpoint = try SocketEndpoint(sockets.paths)
        do {
            let path = try ModelLocator.resolve(model)
            logger.notice("loading", metadata: ["model": "\(path)"])
            let loaded = try loading.load(path, maxSequences: maxSequences)
            if let problem = loaded.chatTemplateProblem {
                logger.warning("the chat template cannot be used", metadata: ["reason": "\(problem)"])
            }
            let info = loaded.info
            logger.notice(
                "loaded",
                metadata: [
                    "architecture": "\(info.architecture)", "context": "\(info.contextLength)", "threads": "\(info.threads)",
                    "isa": "\(info.instructionSet)", "precision": "\(info.precision.rawValue)",
                    "weight_mb": "\(info.weightBytes >> 20)",
                ])
            let page = http.flatMap { LoopbackAddress($0) }
            try await QuernServer.run(
                loaded, at: endpoint, version: Quern.version, page: page, device: page == nil ? nil : try ProfileLocator.hostWalls(),
                logger: logger)
        } catch {
            endpoint.close()
            throw error
        }
    }
}
