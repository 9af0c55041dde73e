import ArgumentParser
import Foundation
import Quern
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernServer
import QuernTensor

extension GroupSize: ExpressibleByArgument {
    public init?(argument: String) {
        switch argument {
        case "auto": self = .automatic
        case "32": self = .columns32
        case "64": self = .columns64
        default: return nil
        }
    }

    public static var allValueStrings: [String] { ["auto", "32", "64"] }
    public var defaultValueDescription: String { "auto" }
}

extension WeightBits: ExpressibleByArgument {}

/// Packs a checkpoint to integers.
struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pack a checkpoint into a .quern archive: integer weights in kernel layout, tokenizer and template included.",
        discussion: """
            The archive appears under its name only when it is complete. Groups of 64 columns share a scale, of 32 where the source \
            is mostly integers in blocks of 32 (Q8_0, Q5_0, Q4_0), which eight bits then hold as they are. --bits 6 and 4 trade \
            exactness for memory and speed of decoding; the receipt (`quern inspect`) says how much. The embedding and the head \
            keep at least six bits, and groups of 32.

            Examples:
              quern pack qwen2.5-coder-0.5b-instruct-q4_k_m.gguf -o models/qwen.quern
              quern pack ./Qwen3-0.6B -o models/qwen3.quern --group 32
              quern pack ./Qwen3-4B -o models/qwen3-4b-q4.quern --bits 4 --receipt-corpus wiki.test.raw
            """)

    @Argument(help: "A GGUF file or a directory with safetensors.")
    var source: String

    @Option(name: .shortAndLong, help: "The archive to write.")
    var output: String

    @Option(help: "Bits of a weight: 8, 6 or 4.")
    var bits: WeightBits = .eight

    @Option(help: "Columns per scale: auto, 32 or 64.")
    var group: GroupSize = .automatic

    @Option(help: "Threads (default: all available).")
    var threads: Int?

    @Option(help: "A text: measure the packed weights against f32 on it and keep the figures in the receipt (takes minutes).")
    var receiptCorpus: String?

    @Option(help: "Chunks of 512 tokens of that text.")
    var receiptChunks = 8

    func validate() throws {
        if receiptCorpus != nil && group != .automatic { throw ValidationError("--receipt-corpus measures the automatic grouping; leave out --group") }
        if receiptChunks < 1 { throw ValidationError("--receipt-chunks is \(receiptChunks), it must be at least 1") }
    }

    func run() throws {
        let checkpoint = try openCheckpoint(path: source)
        var options = PackOptions()
        options.group = group
        options.bits = bits
        options.threads = max(1, threads ?? ProcessorCount.available())
        options.name = ((output as NSString).lastPathComponent as NSString).deletingPathExtension
        if let receiptCorpus { options.corpusFigures = try figures(checkpoint, corpus: receiptCorpus) }
        let flag = InterruptFlag()
        let interrupts = try CaughtSignals([SIGINT])
        interrupts.forward { _, _ in flag.set() }
        defer { withExtendedLifetime(interrupts) {} }
        let bar = ProgressBar("packing")
        let started = ContinuousClock.now
        let report = try Packer.pack(
            checkpoint, to: output, options: options,
            progress: { done, total in bar.update(Double(done) / Double(max(1, total))) }, isCancelled: { flag.isSet })
        bar.finish()
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        Terminal.note(
            String(
                format: "%@: %d tensors, %.1f MB from %.1f MB, groups of %d, relative error %.4f %%, %.1f s", output,
                report.tensorCount, Double(report.archiveBytes) / 1e6, Double(report.sourceBytes) / 1e6, report.groupSize,
                report.receipt.total.relative * 100, seconds))
    }

    /// The integers that will be packed against f32, on a text.
    private func figures(_ checkpoint: any Checkpoint, corpus path: String) throws -> JSONValue {
        guard let data = FileManager.default.contents(atPath: path) else { throw Failure.missing("\(path): cannot be read") }
        var options = LoadOptions()
        options.threads = threads
        options.maxSequences = 1
        options.weightBits = bits
        let packed = try LoadedModel(checkpoint, options: options)
        guard let tokenizer = packed.tokenizer else { throw Failure(status: 65, message: "\(source): has no tokenizer") }
        let corpus = try EvaluationCorpus([UInt8](data), tokenizer: tokenizer, chunkLength: 512, limit: receiptChunks)
        options.precision = .float32
        let truth = try LoadedModel(checkpoint, options: options)
        let bar = ProgressReport("judging")
        let report = try corpus.divergence(of: packed, from: truth) { bar.update($0) }
        bar.finish()
        return report.json
    }
}
