import ArgumentParser
import Foundation
import Quern
import QuernCheckpoint
import QuernEngine
import QuernJSON

/// Measures predictions on a text.
struct Eval: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure perplexity, or how far int8 is from the f32 reference.",
        discussion: """
            The text is cut into chunks; the second half of each is judged, as llama.cpp's perplexity tool does.

            Examples:
              quern eval perplexity models/qwen.quern --corpus wiki.test.raw --chunks 8
              quern eval divergence models/qwen.quern --reference qwen2.5-coder-0.5b-instruct-q4_k_m.gguf --corpus wiki.test.raw
            """,
        subcommands: [Perplexity.self, Divergence.self])
}

struct CorpusOptions: ParsableArguments {
    @Option(help: "A text file.")
    var corpus: String

    @Option(help: "Chunks to take from its beginning.")
    var chunks: Int?

    @Option(help: "Tokens per chunk.")
    var length = 512

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (4...65_536).contains(length) else { throw ValidationError("--length is \(length), allowed is 4...65536") }
        if let chunks, chunks < 1 { throw ValidationError("--chunks is \(chunks), it must be at least 1") }
    }

    func read(for model: LoadedModel) throws -> EvaluationCorpus {
        guard let data = FileManager.default.contents(atPath: corpus) else { throw Failure.missing("\(corpus): cannot be read") }
        guard let tokenizer = model.tokenizer else { throw Failure(status: 65, message: "\(model.info.path): has no tokenizer") }
        return try EvaluationCorpus([UInt8](data), tokenizer: tokenizer, chunkLength: length, limit: chunks)
    }
}

struct Perplexity: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Perplexity of a model on a text.")

    @Argument(help: "A model.")
    var model: String

    @OptionGroup var corpus: CorpusOptions
    @OptionGroup var loading: LoadingOptions

    func run() throws {
        let settings = try loading.configuration.settings()
        let loaded = try loading.load(try ModelLocator.resolve(model, settings), settings)
        let bar = ProgressReport("judging")
        let report = try corpus.read(for: loaded).perplexity(of: loaded) { bar.update($0) }
        bar.finish()
        let json: JSONValue = [
            "model": .string(loaded.info.id), "precision": .string(loaded.info.precision.rawValue),
            "tokens": .int(Int64(report.judgedTokens)), "perplexity": .double(report.perplexity),
        ]
        let text = corpus.json
            ? json.serialized(.pretty) : String(format: "perplexity %.4f over %d tokens", report.perplexity, report.judgedTokens)
        _ = try StandardOutput.write(text + "\n")
    }
}

struct Divergence: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Kullback–Leibler divergence of a model from its f32 reference.",
        discussion: """
            The reference is computed in f32 from the original checkpoint: MODEL itself when it is one, else --reference, because \
            an archive no longer has the original weights.

            Example:
              quern eval divergence models/qwen.quern --reference qwen.gguf --corpus wiki.test.raw --chunks 8
            """)

    @Argument(help: "A model.")
    var model: String

    @Option(help: "The original checkpoint (default: MODEL, unless it is an archive).")
    var reference: String?

    @OptionGroup var corpus: CorpusOptions
    @OptionGroup var loading: LoadingOptions

    func run() throws {
        let settings = try loading.configuration.settings()
        let path = try ModelLocator.resolve(model, settings)
        let origin = try reference.map { try ModelLocator.resolve($0, settings) }
        let original = try openCheckpoint(path: origin ?? path)
        guard !(original is Archive) else {
            throw Failure.usage("\(original.path) is an archive; name the original checkpoint with --reference")
        }
        let loaded = try loading.load(path, settings)
        var options = loading.loadOptions(settings)
        options.precision = .float32
        options.maxSequences = 1
        let truth = try LoadedModel(original, options: options)
        let bar = ProgressReport("judging")
        let report = try corpus.read(for: truth).divergence(of: loaded, from: truth) { bar.update($0) }
        bar.finish()
        let json: JSONValue = [
            "model": .string(loaded.info.id), "precision": .string(loaded.info.precision.rawValue),
            "reference": .string(original.path), "divergence": report.json,
        ]
        let text = corpus.json
            ? json.serialized(.pretty)
            : String(
                format: "mean KL %.6f, 99 %% KL %.6f, same top-1 %.2f %%, perplexity %.4f against %.4f, %d tokens", report.meanKL,
                report.kl99, report.sameTop1 * 100, report.perplexity, report.referencePerplexity, report.judgedTokens)
        _ = try StandardOutput.write(text + "\n")
    }
}

extension DivergenceReport {
    var json: JSONValue {
        [
            "tokens": .int(Int64(judgedTokens)), "mean_kl": .double(meanKL), "kl_99": .double(kl99), "max_kl": .double(maxKL),
            "same_top_1": .double(sameTop1), "perplexity": .double(perplexity),
            "reference_perplexity": .double(referencePerplexity),
        ]
    }
}
