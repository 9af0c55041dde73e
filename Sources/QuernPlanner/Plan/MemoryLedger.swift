// What a model and its sequences occupy, item by item, against what the device may hold.
//
// Owns: bytes, over all chips together. Does not own: time. Invariant: `total` is the sum of the items, and a model fits when
// it is at most `budget`.
import QuernModel

public struct MemoryLedger: Sendable, Equatable {
    /// Bytes of the weights, once.
    public let weights: Double
    /// Keys and values of all sequences at full length, copies on several chips included.
    public let kv: Double
    /// Recurrent state and convolution tails, which do not grow with length.
    public let recurrent: Double
    /// Intermediate results of the largest step.
    public let activations: Double
    /// Runtime, driver, workspace.
    public let reserve: Double
    /// Nil when the capacity is unknown.
    public let budget: Double?

    public var total: Double { weights + kv + recurrent + activations + reserve }

    var totalBesideCache: Double { total - kv }

    /// Nil when the capacity is unknown.
    public var fits: Bool? { budget.map { total <= $0 } }

    init(_ model: ModelGeometry, _ load: Workload, _ profile: DeviceProfile, engine: EngineCalibration?) {
        let sequences = Double(load.reservedSequences)
        weights = load.weightBytes ?? Self.weightBytes(model, load.format)
        kv = Self.kvBytesPerToken(model, load) * Double(load.reservedContext) * sequences
        recurrent = Self.recurrentBytes(model) * sequences
        let chunk = min(Double(load.input) * Double(load.batch), engine?.facts.estimate("chunk")?.expected ?? Uncalibrated.chunk)
        let widest = Double(model.activationElementsPerToken) / Double(max(1, model.layers.count))
        activations = chunk * widest * 2 + sequences * Double(model.vocabularySize) * 4
        let process = (engine?.facts.estimate("process.memory")?.expected ?? 0)
            + (engine?.facts.estimate("process.memory.token")?.expected ?? 0) * Double(model.vocabularySize)
        reserve = (profile.facts.estimate("memory.reserve")?.expected ?? 0) * Double(load.chips) + process
        budget = Self.budget(of: profile).map { $0 * Double(load.chips) }
    }

    /// Bytes that may be used of one chip.
    static func budget(of profile: DeviceProfile) -> Double? {
        let share = profile.facts.estimate("memory.share")?.expected ?? Uncalibrated.memoryShare
        return profile.facts.estimate("memory.capacity").map { $0.low * share }
    }

    static func weightBytes(_ model: ModelGeometry, _ format: TensorFormat) -> Double {
        TensorClass.allCases.reduce(0) { $0 + Double(model.parameters(of: $1)) * format.bits(of: $1) / 8 }
    }

    /// Bytes a position of one sequence leaves in the cache, over all chips.
    static func kvBytesPerToken(_ model: ModelGeometry, _ load: Workload) -> Double {
        model.attentionLayers.reduce(0) { sum, attention in
            let heads = (attention.kvHeads + load.chips - 1) / load.chips * load.chips
            return sum + Double(2 * heads * attention.headDim) * load.cacheBytes
        }
    }

    /// Bytes of one sequence whatever its length: f32 states, half-precision convolution tails.
    static func recurrentBytes(_ model: ModelGeometry) -> Double {
        Double(model.recurrentElements) * 4 + Double(model.convolutionElements) * 2
    }

    /// Positions each of `sequences` sequences may have, up to the model's own limit; 0 when not even the weights fit and nil
    /// when the capacity is unknown.
    func largestContext(sequences: Int, _ model: ModelGeometry, _ load: Workload) -> Int? {
        guard let budget else { return nil }
        let fixed = weights + activations + reserve + Self.recurrentBytes(model) * Double(sequences)
        let perToken = Self.kvBytesPerToken(model, load) * Double(sequences)
        let room = (budget - fixed) / max(1, perToken)
        return room <= 0 ? 0 : Int(min(room, Double(model.contextLength)))
    }
}
