// Option groups that several commands share.
import ArgumentParser
import Foundation
import Quern
import QuernEngine
import QuernServer
import QuernTensor

extension Precision: ExpressibleByArgument {}
extension KVFormat: ExpressibleByArgument {}

struct LoadingOptions: ParsableArguments {
    @Option(help: "Kernel threads (default: what affinity and cgroup allow).")
    var threads: Int?

    @Option(help: "Tokens of prompt and completion together (default: the model's, at most 8192).")
    var context: Int?

    @Option(help: "int8; int8-fast, whose prompts are read faster and a little less exactly; or f32 through BLAS for checking.")
    var precision: Precision = .int8

    @Option(help: "How keys and values are kept: f16, or int8 in half the memory.")
    var kv: KVFormat = .half

    @Option(help: "Force a lower instruction set: scalar, avx2, avxvnni, avx512vnni, neon, neondot (also QUERN_ISA).")
    var isa: String?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads is \(threads), allowed is 1...1024") }
        if let context, context < 1 { throw ValidationError("--context is \(context), it must be at least 1") }
    }

    var loadOptions: LoadOptions {
        var options = LoadOptions()
        options.threads = threads
        options.contextLength = context
        options.precision = precision
        options.cacheFormat = kv
        options.instructionSet = isa ?? ProcessInfo.processInfo.environment["QUERN_ISA"].flatMap { $0.isEmpty ? nil : $0 }
        return options
    }

    /// Loads with a progress bar on stderr.
    func load(_ path: String, maxSequences: Int = 1) throws -> LoadedModel {
        var options = loadOptions
        options.maxSequences = maxSequences
        let bar = Terminal.isInteractive ? ProgressReport("loading") : nil
        let model = try LoadedModel.load(path: path, options: options) { bar?.update($0) }
        bar?.finish()
        return model
    }
}

struct SocketOptions: ParsableArguments {
    @Option(help: "HTTP socket (default: $QUERN_SOCKET, else $XDG_RUNTIME_DIR/quern/quern.sock, else /tmp/quern-UID/quern.sock).")
    var socket: String?

    @Option(help: "Raw pipe socket (default: quern.pipe beside the HTTP socket).")
    var pipeSocket: String?

    var paths: SocketPaths {
        SocketPaths(socket: socket, pipe: pipeSocket, environment: ProcessInfo.processInfo.environment)
    }
}

struct SamplingOptions: ParsableArguments {
    @Option(help: "0 takes the likeliest token (default: the model's own, else 0.7 with top-p 0.8 and top-k 20).")
    var temperature: Float?

    @Option(help: "Keep the k likeliest tokens.")
    var topK: Int?

    @Option(help: "Keep the smallest set of tokens that reaches this probability.")
    var topP: Float?

    @Option(help: "Same seed, prompt and model: same answer.")
    var seed: UInt64?

    @Option(help: "Most tokens to generate (default: until the model stops or the context is full).")
    var maxTokens: Int?

    func validate() throws {
        if let temperature, !(0...2).contains(temperature) { throw ValidationError("--temperature is \(temperature), allowed is 0...2") }
        if let topP, !(topP > 0 && topP <= 1) { throw ValidationError("--top-p is \(topP), allowed is above 0 up to 1") }
        if let topK, topK < 0 { throw ValidationError("--top-k is \(topK), it must not be negative") }
        if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens), it must be at least 1") }
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
