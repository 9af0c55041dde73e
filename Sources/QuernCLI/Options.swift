// Option groups that several commands share.
import ArgumentParser
import Foundation
import Glibc
import Quern
import QuernCheckpoint
import QuernEngine
import QuernServer
import QuernTensor

extension Precision: ExpressibleByArgument {}
extension KVFormat: ExpressibleByArgument {}

struct LoadingOptions: ParsableArguments {
    @OptionGroup var configuration: ConfigurationOptions

    @Option(help: "Kernel threads (default: what affinity and cgroup allow).")
    var threads: Int?

    @Option(help: "Tokens of prompt and completion together (default: the model's, at most 8192).")
    var context: Int?

    @Option(help: "int8 (default); int8-fast, whose prompts are read faster and a little less exactly; or f32 through BLAS for checking.")
    var precision: Precision?

    @Option(help: "How keys and values are kept: f16 (default), or int8 in half the memory.")
    var kv: KVFormat?

    @Option(help: "Force a lower instruction set: scalar, avx2, avxvnni, avx512vnni, amx, neon, neondot.")
    var isa: String?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads is \(threads), allowed is 1...1024") }
        if let context, context < 1 { throw ValidationError("--context is \(context), it must be at least 1") }
    }

    /// Whether anything was asked for on the command line.
    var isGiven: Bool { threads != nil || context != nil || precision != nil || kv != nil || isa != nil }

    func loadOptions(_ settings: Settings) -> LoadOptions {
        var options = LoadOptions()
        options.threads = threads ?? settings.integer(.threads)
        options.contextLength = context ?? settings.integer(.context)
        if let value = precision ?? settings.text(.precision).flatMap(Precision.init) { options.precision = value }
        if let value = kv ?? settings.text(.kv).flatMap(KVFormat.init) { options.cacheFormat = value }
        options.instructionSet = isa ?? settings.text(.isa)
        return options
    }

    /// Loads with a progress bar on stderr.
    ///
    /// - Parameter device: what the model has to fit, and is compared with.
    func load(_ path: String, _ settings: Settings, maxSequences: Int = 1, on device: ServedDevice? = nil) throws -> LoadedModel {
        var options = loadOptions(settings)
        options.maxSequences = maxSequences
        let checkpoint = try openCheckpoint(path: path)
        let place = try device?.place(checkpoint, named: checkpoint.displayName, &options, hostBudget: HostMemory().limit / 10 * 9)
        if let refusal = place?.refusal { throw Failure(status: 65, message: refusal) }
        let bar = Terminal.isInteractive ? ProgressReport("loading") : nil
        let model = try LoadedModel(checkpoint, options: options, device: place?.target) { bar?.update($0) }
        bar?.finish()
        return model
    }
}

struct SocketOptions: ParsableArguments {
    @Option(help: "HTTP socket (default: the setting, else $XDG_RUNTIME_DIR/quern/quern.sock, else /tmp/quern-UID/quern.sock).")
    var socket: String?

    @Option(help: "Raw pipe socket (default: quern.pipe beside the HTTP socket).")
    var pipeSocket: String?

    func paths(_ settings: Settings) -> SocketPaths {
        SocketPaths(
            socket: socket ?? settings.text(.socket), pipe: pipeSocket ?? settings.text(.pipeSocket),
            runtimeDirectory: settings.environment["XDG_RUNTIME_DIR"], userID: getuid())
    }
}

/// A progress bar that any thread may update.
final class ProgressReport: Sendable {
    private let bar: LockedBar

    init(_ label: String) { bar = LockedBar(ProgressBar(label)) }

    func update(_ fraction: Double) { bar.with { $0.update(fraction) } }
    func finish() { bar.with { $0.finish() } }

    private final class LockedBar: @unchecked Sendable {
        private let lock = NSLock()
        private let bar: ProgressBar
        init(_ bar: ProgressBar) { self.bar = bar }
        func with(_ body: (ProgressBar) -> Void) { lock.withLock { body(bar) } }
    }
}
