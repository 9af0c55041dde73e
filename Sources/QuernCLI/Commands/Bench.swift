import ArgumentParser
import Foundation
import Quern
import QuernEngine
import QuernJSON
import QuernTensor

/// Prefill and decode speed beside the machine's walls, measured in one run.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure prefill and decode speed and compare them with the machine's walls.",
        discussion: """
            Rounds of walls, prefill and decode alternate and medians are reported, because machines are noisy. Decode reads every \
            weight once per step, so weight bytes times steps per second over the read bandwidth says how near the wall it is; \
            prefill is compared with the exact integer multiply rate on registers.

            JSON: results[] with kind (prefill or decode), tokens, batch, tokens_per_second (median), runs[], \
            gigabytes_per_second (decode), gmac_per_second, wall_share; walls with read_gb_per_second, gmac_per_second, clock_ghz.

            Examples:
              quern bench models/qwen.quern
              quern bench models/qwen.quern -p 512,2048 -n 64 --batch 1,4,8,16 -r 5 --json
            """)

    @Argument(help: "A model.")
    var model: String?

    @Option(name: [.customShort("p"), .long], help: "Prompt lengths to prefill, separated by commas.")
    var promptTokens = "512"

    @Option(name: [.customShort("n"), .long], help: "Tokens each sequence generates when decoding.")
    var genTokens = 64

    @Option(help: "Numbers of sequences decoded together, separated by commas.")
    var batch = "1"

    @Option(name: [.customShort("r"), .long], help: "Rounds; one more warms up.")
    var rounds = 5

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var loading: LoadingOptions

    func run() async throws {
        let prompts = try list(promptTokens, "--prompt-tokens", 1...65_536)
        let batches = try list(batch, "--batch", 1...256)
        guard genTokens > 1, (1...1000).contains(rounds) else {
            throw Failure.usage("--gen-tokens must be at least 2 and --rounds in 1...1000")
        }
        let loaded = try loading.load(try ModelLocator.resolve(model), maxSequences: batches.max() ?? 1)
        guard let set = InstructionSet(loaded.info.instructionSet) else { throw Failure.general("no kernels for this processor") }
        let probe = try WallProbe(threads: loaded.info.threads, instructionSet: set)
        let load = BenchLoad(model: loaded)
        var walls: [Walls] = []
        var prefill = prompts.map { BenchSeries(kind: .prefill, tokens: $0, batch: 1) }
        var decode = batches.map { BenchSeries(kind: .decode, tokens: genTokens, batch: $0) }
        for round in 0...rounds {
            let measured = probe.measure()
            for index in prefill.indices { prefill[index].runs.append(try await load.prefill(prefill[index].tokens)) }
            for index in decode.indices { decode[index].runs.append(try await load.decode(genTokens, batch: decode[index].batch)) }
            guard round > 0 else {
                for index in prefill.indices { prefill[index].runs.removeAll() }
                for index in decode.indices { decode[index].runs.removeAll() }
                continue
            }
            walls.append(measured)
        }
        let report = BenchReport(
            info: loaded.info, series: prefill + decode, readBandwidth: median(walls.map(\.readBandwidth)),
            multiplyRate: median(walls.map(\.multiplyRate)), clock: median(walls.map(\.clock)))
        _ = try StandardOutput.write((json ? report.json.serialized(.pretty) : report.text) + "\n")
    }

    private func list(_ text: String, _ option: String, _ range: ClosedRange<Int>) throws -> [Int] {
        let numbers = text.split(separator: ",").map { Int($0) }
        guard !numbers.isEmpty, numbers.allSatisfy({ $0.map(range.contains) == true }) else {
            throw Failure.usage("\(option) is not a list of numbers in \(range.lowerBound)...\(range.upperBound)")
        }
        return numbers.compactMap { $0 }
    }
}
