import ArgumentParser
import Foundation
import Quern
import QuernEngine
import QuernJSON
import QuernTensor

/// Prefill and decode speed beside the machine's read bandwidth, measured in one run.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure prefill and decode speed and compare decode with the machine's read bandwidth.",
        discussion: """
            Rounds of bandwidth, prefill and decode alternate and medians are reported, because machines are noisy. Decode reads \
            every weight once per token, so weight bytes times tokens per second over read bandwidth says how near the wall it is.

            Examples:
              quern bench models/qwen.quern
              quern bench models/qwen.quern --prompt-tokens 512 --gen-tokens 64 --rounds 5 --json
            """)

    @Argument(help: "A model.")
    var model: String?

    @Option(help: "Prompt length of a round.")
    var promptTokens = 256

    @Option(help: "Tokens generated in a round.")
    var genTokens = 48

    @Option(help: "Rounds.")
    var rounds = 3

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var loading: LoadingOptions

    func run() async throws {
        guard promptTokens > 0, genTokens > 1, (1...1000).contains(rounds) else {
            throw Failure.usage("--prompt-tokens, --gen-tokens (at least 2) and --rounds must be positive")
        }
        let loaded = try loading.load(try ModelLocator.resolve(model))
        guard let set = InstructionSet(loaded.info.instructionSet) else { throw Failure.general("no kernels for this processor") }
        let probe = try WallProbe(threads: loaded.info.threads, instructionSet: set)
        var bandwidth: [Double] = []
        var prefill: [Double] = []
        var decode: [Double] = []
        for round in 0...rounds {
            let bytes = probe.readBandwidth()
            let timings = try await oneRound(loaded)
            if round == 0 { continue }      // warm-up
            bandwidth.append(bytes / 1e9)
            prefill.append(Double(timings.promptCount) * 1000 / timings.promptMS)
            decode.append(Double(genTokens - 1) * 1000 / timings.predictedMS)
        }
        let read = median(decode) * Double(loaded.info.weightBytes) / 1e9
        let report: JSONValue = [
            "model": .string(loaded.info.id), "threads": .int(Int64(loaded.info.threads)),
            "instruction_set": .string(loaded.info.instructionSet), "precision": .string(loaded.info.precision.rawValue),
            "weight_bytes": .int(Int64(loaded.info.weightBytes)), "prompt_tokens": .int(Int64(promptTokens)),
            "prefill_tokens_per_second": .double(median(prefill)), "decode_tokens_per_second": .double(median(decode)),
            "decode_gb_per_second": .double(read), "read_bandwidth_gb_per_second": .double(median(bandwidth)),
            "decode_share_of_bandwidth": .double(read / median(bandwidth)),
        ]
        let text = json
            ? report.serialized(.pretty)
            : String(
                format: """
                    %@ (%@, %d threads, %@)
                    prefill %4d tokens: %7.1f tok/s
                    decode  %4d tokens: %7.1f tok/s = %.1f GB/s of weights, %.0f %% of the %.1f GB/s read bandwidth
                    """, loaded.info.id, loaded.info.precision.rawValue, loaded.info.threads, loaded.info.instructionSet,
                promptTokens, median(prefill), genTokens, median(decode), read, 100 * read / median(bandwidth), median(bandwidth))
        _ = try StandardOutput.write(text + "\n")
    }

    private func oneRound(_ loaded: LoadedModel) async throws -> Timings {
        let limit = TokenID(min(loaded.info.vocabularySize, 10_000))
        let prompt = (0..<promptTokens).map { TokenID(truncatingIfNeeded: $0 * 7 + 11) % limit }
        var request = TextRequest(prompt: .tokens(prompt), maxTokens: genTokens)
        request.sampling.temperature = 0
        request.ignoreEOS = true
        for await event in try loaded.generate(request) {
            if case .finished(_, _, let timings) = event { return timings }
            if case .failed(let message) = event { throw Failure.general(message) }
        }
        throw Failure.general("the engine stopped")
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
