// `quern bench --socket`: loads for a running daemon, from options to a report.
import ArgumentParser
import Foundation
import Glibc
import QuernEngine
import QuernJSON
import QuernMeasure
import QuernServer

struct LoadBenchOptions: ParsableArguments {
    @Option(
        defaultAsFlag: "", parsing: .next,
        help: ArgumentHelp("Load a running daemon, at PATH or the usual socket, instead of a model in this process.", valueName: "path"))
    var socket: String?

    @Option(help: "Closed loop: numbers of requests under way at any time, separated by commas.")
    var concurrency = "1"

    @Option(help: "Open loop: requests per second on average, arriving as a Poisson process.")
    var rate: Double?

    @Option(help: "Open loop: replay a trace, Azure's CSV or Mooncake's JSON lines (shared prefixes included).")
    var trace: String?

    @Option(help: "How many times as fast the trace runs.")
    var speed = 1.0

    @Option(help: "Factor on the trace's lengths.")
    var lengths = 1.0

    @Option(help: "Requests per load (default: 32, or what --duration holds; of a trace all).")
    var requests: Int?

    @Option(help: "Send nothing after this many seconds.")
    var duration: Double?

    @Option(help: "Latency target in ms, such as ttft:1000,tpot:100,e2el:20000; requests within it are goodput.")
    var goodput: String?

    @Option(help: "Same seed: same lengths and arrival times.")
    var seed: UInt64 = 0

    @Option(help: "Write the load second by second as CSV.")
    var timeline: String?

    @Option(help: "Write the result of the last load as `vllm bench serve` does.")
    var vllmJSON: String?

    func validate() throws {
        for (name, value) in [("rate", rate), ("speed", speed), ("lengths", lengths), ("duration", duration)] {
            if let value, !(value > 0 && value <= 1e6) { throw ValidationError("--\(name) is \(value), allowed is above 0 up to 1000000") }
        }
        if let requests, !(1...10_000_000).contains(requests) { throw ValidationError("--requests is \(requests), allowed is 1...10000000") }
        if rate != nil && trace != nil { throw ValidationError("--rate and --trace are two different loads; give one") }
    }
}

struct LoadBench {
    let options: LoadBenchOptions
    let prompts: LengthDistribution
    let outputs: LengthDistribution
    let concurrencies: [Int]
    let settings: Settings

    func run(serving model: String?) async throws -> BenchReport {
        let target = try options.goodput.map { try LatencyTarget(parsing: $0) }
        let trace = try options.trace.map { try readTrace($0) }
        let path = SocketPaths(
            socket: options.socket.flatMap { $0.isEmpty ? nil : $0 } ?? settings.text(.socket), pipe: nil,
            runtimeDirectory: settings.environment["XDG_RUNTIME_DIR"], userID: getuid()).http
        guard let service = try await Service.daemon(path, serving: model, settings) else {
            throw Failure.noDaemon("\(path): no daemon answers there\(model.map { " with \($0)" } ?? ""); start one with `quern serve`")
        }
        _ = try await service.client.post("/models/load", ["model": .string(service.modelID)])
        let models = try await service.client.get("/v1/models")["data"]?.arrayValue
        let meta = models?.first { $0["id"]?.stringValue == service.modelID }?["meta"]
        let context = Int(meta?["n_ctx"]?.intValue ?? 0)
        let generator = LoadGenerator(
            client: service.client, model: service.modelID, vocabulary: Int(meta?["n_vocab"]?.intValue ?? 1))
        let (start, clock) = (HostCounters.now(), ContinuousClock.now)
        var loads: [LoadResult] = []
        _ = await generator.closed([PlannedRequest(promptTokens: 16, outputTokens: 4)], concurrency: 1, seconds: .infinity) { _ in }
        for arrivals in arrivals() {
            let planned = fitted(plan(arrivals, trace), context: context)
            let bar = Terminal.isInteractive ? ProgressReport(arrivals.text) : nil
            let progress: @Sendable (Double) -> Void = { bar?.update($0) }
            let records =
                if case .closed(let count) = arrivals {
                    await generator.closed(planned, concurrency: count, seconds: options.duration ?? .infinity, progress: progress)
                } else {
                    await generator.open(planned, progress: progress)
                }
            bar?.finish()
            loads.append(LoadResult(records, arrivals: arrivals, target: target))
        }
        for error in Set(loads.flatMap { $0.records.compactMap(\.error) }).sorted().prefix(5) { Terminal.note("failed: \(error)") }
        var company = BenchReport.Company()
        company.noise = HostNoise(from: start, to: .now(), seconds: (ContinuousClock.now - clock) / .seconds(1), countsOthers: false)
        company.noisyRounds = company.noise.isNoisy ? loads.count : 0
        return BenchReport(subject: subject(service, meta), company: company, series: series(loads), loads: loads)
    }

    private func readTrace(_ path: String) throws -> Trace {
        guard let data = FileManager.default.contents(atPath: path) else { throw Failure.missing("\(path): cannot be read") }
        do {
            return try Trace(parsing: [UInt8](data))
        } catch {
            throw Failure(status: 65, message: "\(path): \(error)")
        }
    }

    private func arrivals() -> [Arrivals] {
        if let trace = options.trace {
            return [.trace(name: URL(filePath: trace).lastPathComponent, speed: options.speed, lengths: options.lengths)]
        }
        return options.rate.map { [.poisson(rate: $0)] } ?? concurrencies.map { .closed(concurrency: $0) }
    }

    private func plan(_ arrivals: Arrivals, _ trace: Trace?) -> [PlannedRequest] {
        var random = RandomSource(seed: options.seed)
        if let trace {
            let scaled = trace.scaled(speed: options.speed, lengths: options.lengths, seconds: options.duration ?? .infinity)
            return Array(scaled.prefix(options.requests ?? scaled.count))
        }
        // A closed loop cannot know how many answers fit: a million is more than any daemon gives in a --duration.
        let wanted = options.duration.map { seconds in options.rate.map { Int($0 * 2 * seconds) + 16 } ?? 1_000_000 }
        let count = options.requests ?? min(wanted ?? 32, 10_000_000)
        let planned = PlannedRequest.drawn(count, prompts: prompts, outputs: outputs, rate: options.rate, using: &random)
        return planned.filter { $0.offset <= options.duration ?? .infinity }
    }

    /// Requests that the daemon's context holds; what had to be cut is said.
    private func fitted(_ requests: [PlannedRequest], context: Int) -> [PlannedRequest] {
        guard context > 1 else { return requests }
        var cut = 0
        let fitted = requests.map { request in
            var request = request
            if !request.fit(context: context) { cut += 1 }
            return request
        }
        if cut > 0 { Terminal.note("\(cut) of \(requests.count) requests were cut to the daemon's context of \(context) tokens") }
        return fitted
    }

    /// One request at a time is what the in-engine bench measures at batch 1: the same rows, to compare with.
    private func series(_ loads: [LoadResult]) -> [BenchSeries] {
        guard let prompt = prompts.fixedLength, let output = outputs.fixedLength else { return [] }
        return loads.filter { $0.arrivals == .closed(concurrency: 1) }.flatMap { load -> [BenchSeries] in
            let records = load.records.filter { $0.isComplete && $0.cachedTokens == 0 }.suffix(RankSumTest.maxRuns)
            let prefill = records.compactMap { record in record.timeToFirst.map { Double(record.promptTokens) / $0 } }
            let decode = records.compactMap { record in record.timePerToken.map { 1 / $0 } }
            return [
                BenchSeries(.init(kind: .prefill, tokens: prompt, depth: 0, batch: 1), runs: prefill),
                BenchSeries(.init(kind: .decode, tokens: output, depth: prompt, batch: 1), runs: decode),
            ].filter { !$0.runs.isEmpty }
        }
    }

    private func subject(_ service: Service, _ meta: JSONValue?) -> BenchReport.Subject {
        var subject = BenchReport.Subject()
        subject.model = service.modelID
        subject.precision = meta?["precision"]?.stringValue ?? ""
        subject.threads = meta?["threads"]?.intValue.map { Int($0) }
        subject.instructionSet = meta?["instruction_set"]?.stringValue ?? ""
        subject.weightBytes = meta?["size"]?.intValue.map { Int($0) }
        subject.describeHost()
        return subject
    }
}
