import ArgumentParser
import Foundation
import Glibc
import Logging
import QuernEngine
import QuernServer
import QuernTensor

/// Serves models in the foreground.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve models on two Unix sockets: HTTP (as OpenAI and Anthropic speak it) and raw pipe.",
        discussion: """
            Runs in the foreground and logs to stderr; SIGTERM or Ctrl-C finishes live requests and exits, a second one exits \
            at once. Models named here or, when none is, the `model` setting are loaded at start; models of the configuration \
            file are loaded when a request names them. When memory is short, idle models make room.

            With --device the daemon lives within a device it does not have: the smaller of the two memories sizes the cache of \
            keys and values and bounds what is admitted, a model that does not fit is refused with the ledger (status 65 at \
            start, 507 later), and the timings of every answer say what the device would make of it. With --pace tokens wait \
            until the device would have them; the tokens themselves are the same.

            Examples:
              quern serve models/qwen.quern
              quern serve coder.quern chat.quern --memory-budget 6GiB --idle-unload 10m
              quern serve --socket /run/user/1000/q.sock --threads 4
              quern serve models/qwen.quern --http 127.0.0.1:8080
              quern serve models/qwen.quern --device zhenwu-810e --pace
              curl --unix-socket $SOCK http://localhost/v1/chat/completions \\
                -H 'Content-Type: application/json' \\
                -d '{"messages":[{"role":"user","content":"Hello"}]}'
              printf 'Write a haiku' | nc -N -U $PIPE
            """)

    @Argument(help: "Archives, GGUF files, model directories, or names; the first answers requests that name none.")
    var models: [String] = []

    @OptionGroup var sockets: SocketOptions
    @OptionGroup var loading: LoadingOptions
    @OptionGroup(title: "A device to stand for") var target: DeviceOptions

    @Option(help: "Sequences computed together (default: 64).")
    var maxSequences: Int?

    @Option(help: "Memory that models may take together, such as 6GiB (default: nine tenths of the machine's or cgroup's).")
    var memoryBudget: String?

    @Option(help: "Unload a model after this time without requests, such as 10m (default: never).")
    var idleUnload: String?

    @Option(help: "How long a request may wait to be started before it is told to come back, such as 5m (default: 60s).")
    var queueTimeout: String?

    @Option(help: "How long live requests may take once the daemon is told to end, such as 2m (default: 30s).")
    var drainTimeout: String?

    @Option(help: ArgumentHelp(
        "Also show a page with a chat and live figures to browsers, at 127.0.0.1:PORT or [::1]:PORT. Unlike the sockets, every "
            + "user of this machine can reach it.",
        valueName: "address"))
    var http: String?

    @Option(help: "Where uploaded files and batches are kept (default: $XDG_STATE_HOME/quern, else ~/.local/state/quern).")
    var stateDir: String?

    @Option(help: "trace, debug, info (default), notice, warning or error.")
    var logLevel: String?

    func validate() throws {
        if let logLevel, Logger.Level(rawValue: logLevel) == nil { throw ValidationError("--log-level \(logLevel) is not a level") }
        if let http, LoopbackAddress(http) == nil {
            throw ValidationError("--http is \(http), expected 127.0.0.1:PORT or [::1]:PORT: quern listens to this machine only")
        }
        if let maxSequences, !(1...256).contains(maxSequences) { throw ValidationError("--max-sequences is \(maxSequences), allowed is 1...256") }
        if let memoryBudget, SettingKind.size.value(of: memoryBudget) == nil {
            throw ValidationError("--memory-budget \(memoryBudget) is not \(SettingKind.size.expectation)")
        }
        for (option, text) in [("idle-unload", idleUnload), ("queue-timeout", queueTimeout), ("drain-timeout", drainTimeout)] {
            guard let text, SettingKind.duration.value(of: text) == nil else { continue }
            throw ValidationError("--\(option) \(text) is not \(SettingKind.duration.expectation)")
        }
    }

    /// The event loop, those that compile, loading, and what the runtime has of its own beside one per processor.
    private static let threadsBesideModels = 8

    func run() async throws {
        try WorkerPool.require(threads: Self.threadsBesideModels + ProcessorCount.available(), for: "the daemon")
        let settings = try loading.configuration.settings()
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "quern")
        logger.logLevel = (logLevel ?? settings.text(.logLevel)).flatMap { Logger.Level(rawValue: $0) } ?? .info
        let endpoint = try SocketEndpoint(sockets.paths(settings), environment: settings.environment)
        defer { endpoint.close() }
        let device = try target.device(settings)
        let budget = budget(settings)
        let models = try ServedModels(self, settings, on: device, hostBudget: budget).specifications
        try await QuernServer.run(
            models, memoryBudget: min(budget, device?.memoryBudget ?? .max), at: endpoint, version: Quern.version,
            limits: limits(settings), page: http.flatMap { LoopbackAddress($0) }, device: ProfileLocator.wallsIfReadable(device),
            state: StateDirectory(stateDir ?? settings.text(.stateDir), environment: settings.environment), logger: logger,
            notifier: ServiceNotifier(environment: settings.environment))
    }

    private func limits(_ settings: Settings) -> ServerLimits {
        var limits = ServerLimits()
        if let seconds = Self.seconds(drainTimeout, settings, .drainTimeout) { limits.drainTimeout = .seconds(seconds) }
        return limits
    }

    /// The seconds of an option, else of the setting of the same name.
    static func seconds(_ option: String?, _ settings: Settings, _ key: SettingKey) -> Int? {
        if let option, case .integer(let seconds)? = SettingKind.duration.value(of: option) { return seconds }
        return settings.integer(key)
    }

    private func budget(_ settings: Settings) -> Int {
        if let memoryBudget, case .integer(let bytes)? = SettingKind.size.value(of: memoryBudget) { return bytes }
        return settings.integer(.memoryBudget) ?? HostMemory().limit / 10 * 9
    }
}
