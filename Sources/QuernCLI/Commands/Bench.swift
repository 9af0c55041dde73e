import ArgumentParser
import Foundation
import Quern
import QuernEngine
import QuernJSON
import QuernMeasure
import QuernTensor

extension BenchFormat: ExpressibleByArgument {}

/// Tokens per second beside the machine's walls, in the engine or through the socket.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure tokens per second, in the engine or through the daemon's socket, beside the machine's walls.",
        discussion: """
            In the engine, rounds of walls and all loads alternate after one round that warms up; a round during which the \
            hypervisor, a cgroup or other programs took processor time is measured again, up to as many times as there are rounds. \
            Reported are medians and half the distance from the slowest to the fastest. Prefill computes a prompt and its first \
            token; decode is counted while all sequences of the batch decode. Decode reads all weights, keys and values once per \
            step: bytes per second over the read bandwidth say how near that wall is. Prompts are compared with the exact integer \
            multiply rate on registers. Walls are what a tenth of many short samples reach; the share \
            of the wall is that of each run against what half of the samples just before and after it reach, as neighbours change a \
            machine within seconds. Loading, tokenizing and, except with --socket, HTTP are not included; nothing counted is answered \
            from the prefix cache.

            With --socket a daemon gets requests of -p prompt and -n answer tokens: --concurrency keeps a number of them under \
            way (closed loop), --rate and --trace send them at their own times (open loop), and latency counts from the time a \
            request was due. Lengths are numbers or uniform:LOW:HIGH, normal:MEAN:DEVIATION, lognormal:MEDIAN:SIGMA, \
            exponential:MEAN. Prompts are random tokens, so only a Mooncake trace, which says what its prompts share, meets the \
            prefix cache. TTFT is the time to the first token, ITL between two, TPOT the mean of a request after its first. \
            Percentiles are those of a high dynamic range histogram, exact to 0.1 %. When requests failed, the exit status is 3.

            JSON: results[] with kind (prefill or decode), tokens, depth, batch, tokens_per_second (median), runs[], \
            gigabytes_per_second, gmac_per_second, wall_share, or with kind load: arrivals, requests, failed, tokens_per_second, \
            ttft_ms, itl_ms, tpot_ms and e2el_ms with mean, p50, p90, p95, p99, goodput; walls with read_gb_per_second, \
            gmac_per_second, clock_ghz; noise; comparison.

            Examples:
              quern bench models/qwen.quern
              quern bench models/qwen.quern -p 128,2048 --depth 0,2048 --batch 1,4,16
              quern bench models/qwen.quern --json > new.json
              quern bench --from new.json --compare old.json --plot rates.svg
              quern bench --socket --concurrency 1,4,16 -p 256 -n 64
              quern bench --socket --rate 2 -p lognormal:200:0.8 --duration 60
              quern bench --socket --trace conv.csv --speed 0.1 --lengths 0.1 --plot l.svg
            """)

    @Argument(help: "A model; with --socket, the one the daemon must serve.")
    var model: String?

    @Option(name: [.customShort("p"), .long], help: "Prompt lengths, separated by commas; with --socket one length or distribution.")
    var promptTokens = "512"

    @Option(name: [.customShort("n"), .long], help: "Tokens each sequence generates, likewise.")
    var genTokens = "64"

    @Option(help: "Tokens in the context before those that are measured, separated by commas.")
    var depth = "0"

    @Option(help: "Numbers of sequences decoded together, separated by commas.")
    var batch = "1"

    @Option(name: [.customShort("r"), .long], help: "Rounds; one more warms up.")
    var rounds = 5

    @Option(help: "How to print: table, markdown, csv or json.")
    var format: BenchFormat = .table

    @Flag(help: "Short for --format json.")
    var json = false

    @Option(help: "Say what differs significantly from an older JSON report.")
    var compare: String?

    @Option(help: "Measure nothing; print this JSON report again.")
    var from: String?

    @Option(help: "Draw rates, spread and roofline, or the course of a load, as SVG.")
    var plot: String?

    @OptionGroup(title: "Through the socket") var load: LoadBenchOptions
    @OptionGroup(title: "The model in this process") var loading: LoadingOptions

    func run() async throws {
        let old = try compare.map { try read($0) }
        let report = try await measure()
        let comparison = old.map { BenchComparison(old: $0, new: report) }
        if let plot {
            try write(report.loads.isEmpty ? report.plot : LoadResult.plot(report.loads, title: "\(report.subject.model) under load"), to: plot)
        }
        if let timeline = load.timeline { try write(Timeline.csv(report.loads), to: timeline) }
        if let path = load.vllmJSON, let last = report.loads.last {
            let date = report.subject.date.filter(\.isNumber)
            let json = last.vllmJSON(model: report.subject.model, date: "\(date.prefix(8))-\(date.dropFirst(8).prefix(6))")
            try write(json.serialized(.pretty) + "\n", to: path)
        }
        _ = try StandardOutput.write(report.text(json ? .json : format, comparison: comparison) + "\n")
        if report.loads.contains(where: { $0.failed > 0 }) { throw Failure.partial }
    }

    private func measure() async throws -> BenchReport {
        if let from { return try read(from) }
        guard load.socket == nil else { return try await throughSocket() }
        for (name, isGiven) in [
            ("rate", load.rate != nil), ("trace", load.trace != nil), ("goodput", load.goodput != nil), ("duration", load.duration != nil),
            ("requests", load.requests != nil), ("timeline", load.timeline != nil), ("vllm-json", load.vllmJSON != nil),
        ] where isGiven {
            throw Failure.usage("--\(name) is about a load of the daemon: add --socket")
        }
        return try await inEngine()
    }

    private func throughSocket() async throws -> BenchReport {
        let bench = LoadBench(
            options: load, prompts: try LengthDistribution(parsing: promptTokens), outputs: try LengthDistribution(parsing: genTokens),
            concurrencies: try list(load.concurrency, "--concurrency", 1...4096), settings: try loading.configuration.settings())
        return try await bench.run(serving: model)
    }

    private func inEngine() async throws -> BenchReport {
        let prompts = try list(promptTokens, "--prompt-tokens", 1...65_536)
        let outputs = try list(genTokens, "--gen-tokens", 2...65_536)
        let depths = try list(depth, "--depth", 0...1_000_000)
        let batches = try list(batch, "--batch", 1...256)
        guard (1...RankSumTest.maxRuns).contains(rounds) else {
            throw Failure.usage("--rounds is \(rounds), allowed is 1...\(RankSumTest.maxRuns)")
        }
        let settings = try loading.configuration.settings()
        let path = try ModelLocator.resolve(model, settings)
        let loaded = try loading.load(path, settings, maxSequences: batches.max() ?? 1)
        let longest = (depths.max() ?? 0) + max((prompts.max() ?? 0) + 1, outputs.max() ?? 0)
        guard longest <= loaded.info.contextLength else {
            throw Failure.usage(
                "the longest load has \(longest) tokens, the context holds \(loaded.info.contextLength); give --context \(longest), "
                    + "if the model allows it")
        }
        let keys =
            depths.flatMap { depth in prompts.map { BenchSeries.Key(kind: .prefill, tokens: $0, depth: depth, batch: 1) } }
            + depths.flatMap { depth in
                outputs.flatMap { count in batches.map { BenchSeries.Key(kind: .decode, tokens: count, depth: depth, batch: $0) } }
            }
        let bar = Terminal.isInteractive ? ProgressReport("measuring") : nil
        let (walls, company, series) = try await EngineBench(load: BenchLoad(model: loaded), keys: keys, rounds: rounds).run {
            bar?.update($0)
        }
        bar?.finish()
        var subject = BenchReport.Subject()
        subject.model = loaded.info.id
        subject.digest = try ModelDigest.of(path: path)
        subject.precision = loaded.info.precision.rawValue
        subject.keyValueFormat = loaded.info.precision == .float32 ? KVFormat.float32.rawValue : loading.loadOptions(settings).cacheFormat.rawValue
        subject.threads = loaded.info.threads
        subject.instructionSet = loaded.info.instructionSet
        subject.weightBytes = loaded.info.weightBytes
        subject.describeHost()
        return BenchReport(subject: subject, walls: walls, company: company, series: series)
    }

    private func read(_ path: String) throws -> BenchReport {
        guard let data = FileManager.default.contents(atPath: path) else { throw Failure.missing("\(path): cannot be read") }
        do {
            return try BenchReport(try JSONValue(parsing: [UInt8](data)))
        } catch {
            throw Failure(status: 65, message: "\(path): \(error)")
        }
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
        } catch {
            throw Failure.output("\(path): cannot be written")
        }
    }

    private func list(_ text: String, _ option: String, _ range: ClosedRange<Int>) throws -> [Int] {
        let numbers = text.split(separator: ",").map { Int($0) }
        guard !numbers.isEmpty, numbers.allSatisfy({ $0.map(range.contains) == true }) else {
            throw Failure.usage("\(option) is not a list of numbers in \(range.lowerBound)...\(range.upperBound)")
        }
        return numbers.compactMap { $0 }
    }
}
