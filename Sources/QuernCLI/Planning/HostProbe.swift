// Times synthetic models on this host, round by round, for a calibration.
//
// Owns: which shapes and loads are timed. Does not own: the equations (HostCalibration), how many rounds there are and what else
// a profile needs (HostSurvey). Invariant: a round times everything once, so that rounds can be interleaved with other work.
import Quern
import QuernEngine
import QuernJSON
import QuernMeasure
import QuernModel
import QuernPlanner
import QuernTensor

struct HostProbe {
    /// Prompt tokens the engine computes in one step.
    private static let chunk = 256
    /// That decoding reads weights with (EPYC 89 %, Xeon 86 to 96 %).
    private static let shareOfBandwidth = 0.89

    private let wide: Subject
    private let narrow: Subject
    private let layers: Subject
    /// Little but attention, whose heads share keys and values by eight and by two.
    private let grouped: Subject
    private let paired: Subject
    private let wall: WallProbe
    private let groups: GroupProbe
    /// By round: the walls, several times between the models, because a moment is soon disturbed.
    private var walls: [[WallSamples]] = []
    private var groupShares: [Double] = []

    init(threads: Int?) throws {
        wide = try Subject("wide", hidden: 1024, width: 4096, heads: 16, kvHeads: 2, layers: 9, threads: threads)
        narrow = try Subject("narrow", hidden: 512, width: 1536, heads: 8, kvHeads: 4, layers: 36, threads: threads)
        layers = try Subject("layers", hidden: 256, width: 768, heads: 4, kvHeads: 2, layers: 48, threads: threads)
        grouped = try Subject("grouped", hidden: 64, width: 64, heads: 16, kvHeads: 2, layers: 32, threads: threads)
        paired = try Subject("paired", hidden: 64, width: 64, heads: 8, kvHeads: 4, layers: 32, threads: threads)
        let info = wide.model.info
        guard let set = InstructionSet(info.instructionSet) else { throw Failure.general("no kernels for this processor") }
        wall = try WallProbe(threads: info.threads, instructionSet: set)
        groups = try GroupProbe(tokens: Self.chunk, threads: info.threads, instructionSet: set)
    }

    var info: ModelInfo { wide.model.info }

    /// Times walls and models once.
    mutating func round() async throws {
        walls.append([])
        measureWalls()
        groupShares.append(groups.share())
        try await wide.measure(batches: [1, 2, 4, 8, 16], prompts: [Self.chunk])
        measureWalls()
        try await narrow.measure(batches: [1, 8], prompts: [Self.chunk])
        measureWalls()
        try await layers.measure(batches: [1])
        // More keys and values than a cache holds.
        try await grouped.measure(contexts: [(4, 1024)], prompts: [512])
        try await paired.measure(contexts: [(4, 1024)])
        measureWalls()
    }

    private mutating func measureWalls() { walls[walls.count - 1].append(wall.measure()) }

    /// What could be reached in these rounds.
    func walls(rounds: [Int]) -> Walls {
        WallSamples(rounds.flatMap { walls[$0] }).limit
    }

    /// Bytes per second that could be read at most times, which is less where neighbours come and go.
    private func usualBandwidth(rounds: [Int]) -> Double { rounds.flatMap { walls[$0] }.map(\.limit.readBandwidth).median }

    /// The calibration that medians of these rounds give.
    func engine(rounds: [Int], source: String) throws -> EngineCalibration {
        guard let format = TensorFormat.named("q8") else { throw Failure.general("no format q8") }
        let multiplyRate = walls(rounds: rounds).multiplyRate
        let fitted = HostCalibration(
            [wide, narrow, layers, grouped, paired].map { $0.probe(rounds: rounds) }, format: format, chunk: Self.chunk, source: source,
            productCeiling: multiplyRate > 0 ? 2 * multiplyRate : .infinity
        ).engine(named: "quern")
        // The timed models may fit a cache. What memory gives of its bandwidth when weights do not: bench results of both makers.
        var facts = fitted.facts
        _ = facts.add(
            "kernel.q8.read", Fact(
                value: Estimate(Self.shareOfBandwidth * usualBandwidth(rounds: rounds)), dimension: .bytesPerSecond,
                confidence: .derived,
                source: "\(Self.shareOfBandwidth) of the usual read bandwidth of the same rounds, as decoding reaches from memory"))
        _ = facts.add(
            "groups.32", Fact(
                value: Estimate(min(1, rounds.map { groupShares[$0] }.median)), dimension: .fraction, confidence: .measured,
                source: "\(source): products of \(Self.chunk) tokens"))
        return EngineCalibration(name: fitted.name, facts: facts)
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
            "num_key_value_heads": .int(Int64(kvHeads)), "head_dim": 64, "vocab_size": 4096,
            "max_position_embeddings": 4096, "tie_word_embeddings": true,
        ]
        var options = LoadOptions()
        options.threads = threads
        options.contextLength = 4096
        options.maxSequences = 16
        options.cacheByteLimit = Self.cacheBytes
        model = try LoadedModel(SyntheticCheckpoint(name, config: try ModelConfig(configJSON: json)), options: options)
        config = try ModelConfig(configJSON: json)
        load = BenchLoad(model: model)
    }

    private let config: ModelConfig
    /// Holds what contexts are made of from round to round and little more: memory that is touched for the first time costs time.
    private static let cacheBytes = 160 << 20

    /// - Parameter contexts: sequences and the prompts they decode after.
    func measure(batches: [Int] = [], contexts: [(Int, Int)] = [], prompts: [Int] = []) async throws {
        for batch in batches {
            let tokens = batch == 1 ? 24 : 16
            let rate = try await load.decode(tokens, depth: 32, batch: batch).rate
            record(.decode(sequences: batch, context: 32 + Double(tokens) / 2), Double(batch) / rate)
        }
        for (batch, context) in contexts {
            let rate = try await load.decode(16, depth: context, batch: batch).rate
            record(.decode(sequences: batch, context: Double(context + 8)), Double(batch) / rate)
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
