// Times synthetic models on this host and keeps what follows as its profile.
//
// Owns: which shapes and loads are timed, in interleaved rounds whose medians count. Does not own: the equations
// (HostCalibration). Invariants: it ends within its time limit; what one round could not measure, medians of fewer show. Rounds
// that other programs or the hypervisor disturbed count only when there are no others.
import Foundation
import Quern
import QuernEngine
import QuernJSON
import QuernMeasure
import QuernModel
import QuernPlanner
import QuernTensor

struct HostProbe {
    /// Prompt tokens the engine computes in one step.
    static let chunk = 256
    private static let longContext = 2048
    private static let contexts = [(1, longContext), (4, longContext / 2)]
    private static let secondsPerCalibration = 15.0

    let threads: Int?
    let progress: (Double) -> Void

    /// What else the machine did while it was measured.
    struct Company {
        var rounds = 0
        var noisyRounds = 0
        /// The worst of everything measured.
        var noise = HostNoise()
    }

    func profile() async throws -> (profile: DeviceProfile, company: Company) {
        let started = ContinuousClock.now
        let base = Double(ProcessMemory.resident)
        let wide = try Subject("wide", hidden: 1024, width: 4096, heads: 16, kvHeads: 2, layers: 9, threads: threads)
        let narrow = try Subject("narrow", hidden: 512, width: 1536, heads: 8, kvHeads: 4, layers: 36, threads: threads)
        let layers = try Subject("layers", hidden: 64, width: 64, heads: 1, kvHeads: 1, layers: 64, threads: threads)
        var company = Company()
        var quiet: [Int] = []
        var seconds = 0.0
        repeat {
            let (counters, began) = (HostCounters.now(), ContinuousClock.now)
            try await wide.measure(batches: [1, 2, 4, 8, 16], contexts: Self.contexts, prompts: [Self.chunk, Self.longContext])
            progress(fraction(started, 0.5 * seconds))
            try await narrow.measure(batches: [1], contexts: Self.contexts, prompts: [Self.chunk])
            try await layers.measure(batches: [1], contexts: [], prompts: [])
            seconds = (ContinuousClock.now - began) / .seconds(1)
            let noise = HostNoise(from: counters, to: .now(), seconds: seconds)
            company.noise.formMaximum(noise)
            if noise.isNoisy { company.noisyRounds += 1 } else { quiet.append(company.rounds) }
            company.rounds += 1
            progress(fraction(started, seconds))
        } while (ContinuousClock.now - started) / .seconds(1) + seconds < Self.secondsPerCalibration && quiet.count < 9
        let counted = quiet.isEmpty ? Array(0..<company.rounds) : quiet
        guard let format = TensorFormat.named("q8") else { throw Failure.general("no format q8") }
        let source = "quern calibrate, \(wide.info.threads) threads, \(wide.info.instructionSet), median of \(counted.count) rounds"
            + (quiet.isEmpty ? " on a busy machine" : "")
        let calibration = HostCalibration(
            [wide, narrow, layers].map { $0.probe(rounds: counted) }, format: format, chunk: Self.chunk, source: source)
        let engine = calibration.engine(named: "quern")
        let (counters, began) = (HostCounters.now(), ContinuousClock.now)
        let profile = try profile(engine, base: base, info: wide.info, source: source)
        company.noise.formMaximum(HostNoise(from: counters, to: .now(), seconds: (ContinuousClock.now - began) / .seconds(1)))
        return (profile, company)
    }

    private func fraction(_ start: ContinuousClock.Instant, _ extra: Double) -> Double {
        min(1, ((ContinuousClock.now - start) / .seconds(1) + extra) / (Self.secondsPerCalibration + extra))
    }

    private func profile(
        _ measured: EngineCalibration, base: Double, info: ModelInfo, source: String
    ) throws -> DeviceProfile {
        guard let set = InstructionSet(info.instructionSet) else { throw Failure.general("no kernels for this processor") }
        var facts = FactTable()
        func add(_ key: String, _ value: Double, _ dimension: QuernPlanner.Dimension, _ confidence: Confidence, _ by: String) {
            _ = facts.add(key, Fact(value: Estimate(value), dimension: dimension, confidence: confidence, source: by))
        }
        add("memory.capacity", Double(ProcessInfo.processInfo.physicalMemory), .bytes, .read, "the operating system")
        var counts = [1]
        while let last = counts.last, last < info.threads { counts.append(min(info.threads, last * 2)) }
        for count in counts {
            let walls = try WallProbe(threads: count, instructionSet: set).measure()
            let by = "quern calibrate: \(count) \(count == 1 ? "thread" : "threads"), plain loads, best of 3"
            add(count == info.threads ? "memory.read" : "memory.read.\(count)", walls.readBandwidth, .bytesPerSecond, .measured, by)
            if count == info.threads, walls.multiplyRate > 0 {
                add("compute.int8", 2 * walls.multiplyRate, .operationsPerSecond, .measured, "\(by), 16-bit products on registers")
            }
        }
        add("compute.f32", try Self.floatRate(threads: info.threads), .operationsPerSecond, .measured, "\(source), BLAS 1024^3")
        var engine = measured.facts
        _ = engine.add(
            "threads", Fact(value: Estimate(Double(info.threads)), dimension: .count, confidence: .measured, source: source))
        _ = engine.add(
            "process.memory", Fact(value: Estimate(base), dimension: .bytes, confidence: .measured, source: source))
        _ = engine.add(
            "process.memory.token", Fact(
                value: Estimate(ProcessMemory.tokenizerBytesPerToken), dimension: .bytes, confidence: .derived,
                source: "resident size of tokenizer tables by entries of the vocabulary, Qwen2.5 and SmolLM2"))
        return DeviceProfile(
            id: "host", name: "\(ProcessInfo.processInfo.hostName), \(info.threads) threads, \(info.instructionSet)", facts: facts,
            engines: [EngineCalibration(name: measured.name, facts: engine)])
    }

    /// Operations per second of a 1024 x 1024 by 1024 x 1024 product in f32.
    private static func floatRate(threads: Int) throws -> Double {
        let size = 1024
        let arena = Arena()
        BLAS.setThreadCount(threads)
        let matrix = try FloatMatrix(rows: size, columns: size, in: arena)
        let x = try arena.floats(size * size)
        let y = try arena.floats(size * size)
        for index in 0..<(size * size) {
            matrix.values[index] = Float(index % 7) / 7
            x[index] = Float(index % 5) / 5
        }
        let times = (0..<4).map { _ in
            let start = ContinuousClock.now
            BLAS.multiply(x, stride: size, rows: size, by: matrix, into: y, stride: size, accumulates: false)
            return (ContinuousClock.now - start) / .seconds(1)
        }
        return 2 * Double(size * size * size) / (times.min() ?? .infinity)
    }
}

/// A loaded synthetic model with its timings so far.
private final class Subject {
    let model: LoadedModel
    private let load: BenchLoad
    private var runs: [(kind: StepProbe.Kind, seconds: [Double])] = []

    var info: ModelInfo { model.info }

    init(_ name: String, hidden: Int, width: Int, heads: Int, kvHeads: Int, layers: Int, threads: Int?) throws {
        let json: JSONValue = [
            "model_type": "llama", "hidden_size": .int(Int64(hidden)), "intermediate_size": .int(Int64(width)),
            "num_hidden_layers": .int(Int64(layers)), "num_attention_heads": .int(Int64(heads)),
            "num_key_value_heads": .int(Int64(kvHeads)), "head_dim": 64, "vocab_size": 4096, "max_position_embeddings": 4096,
            "tie_word_embeddings": true,
        ]
        var options = LoadOptions()
        options.threads = threads
        options.contextLength = 4096
        options.maxSequences = 16
        model = try LoadedModel(SyntheticCheckpoint(name, config: try ModelConfig(configJSON: json)), options: options)
        config = try ModelConfig(configJSON: json)
        load = BenchLoad(model: model)
    }

    private let config: ModelConfig

    /// - Parameter contexts: sequences and the prompts they decode after.
    func measure(batches: [Int], contexts: [(Int, Int)], prompts: [Int]) async throws {
        for batch in batches {
            let tokens = batch == 1 ? 24 : 16
            let rate = try await load.decode(tokens, depth: 32, batch: batch).rate
            record(.decode(sequences: batch, context: 32 + Double(tokens) / 2), Double(batch) / rate)
        }
        for (batch, context) in contexts {
            let tokens = 16 + (batch - 1) * context / HostProbe.chunk
            let rate = try await load.decode(tokens, depth: context, batch: batch).rate
            // Counted while all decode: the last 16 tokens of the first sequence.
            record(.decode(sequences: batch, context: Double(context + tokens - 8)), Double(batch) / rate)
        }
        for prompt in prompts { record(.prefill(tokens: prompt), Double(prompt) / (try await load.prefill(prompt, depth: 0).rate)) }
    }

    private func record(_ kind: StepProbe.Kind, _ seconds: Double) {
        if let index = runs.firstIndex(where: { $0.kind == kind }) {
            runs[index].seconds.append(seconds)
        } else {
            runs.append((kind, [seconds]))
        }
    }

    func probe(rounds: [Int]) -> ModelProbe {
        ModelProbe(ModelGeometry(config), runs.map { run in StepProbe(run.kind, seconds: rounds.map { run.seconds[$0] }.median) })
    }
}
