// How a checkpoint stretches its rotary embedding beyond the trained context.
import QuernJSON

public enum RopeScaling: Sendable, Equatable {
    case none
    /// Positions divided by a factor (arXiv 2306.15595).
    case linear(factor: Double)
    /// Llama 3.1: low frequencies divided, a smooth band between.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
    /// YaRN (arXiv 2309.00071).
    case yarn(factor: Double, betaFast: Double, betaSlow: Double, originalContext: Int, attentionFactor: Double?)
    /// A divisor for each frequency, as GGUF's `rope_freqs` tensor gives them.
    case divisors([Double])

    private static let positive: ClosedRange<Double> = 1e-6...1e6
    private static let contexts = 1...(1 << 26)

    /// Reads `rope_scaling` (or `rope_parameters`), whose type is under `rope_type` or `type`.
    init(_ fields: ConfigFields, contextLength: Int) throws(ConfigError) {
        let older = try fields.optionalString("type")
        let type = try fields.optionalString("rope_type") ?? older ?? "default"
        func factor() throws(ConfigError) -> Double {
            guard let factor = try fields.optionalNumber("factor", in: Self.positive) else {
                throw fields.fail("factor", "is missing")
            }
            return factor
        }
        func original() throws(ConfigError) -> Int {
            try fields.optionalInteger("original_max_position_embeddings", in: Self.contexts) ?? contextLength
        }
        switch type {
        case "default": self = .none
        case "linear": self = .linear(factor: try factor())
        case "llama3":
            self = .llama3(
                factor: try factor(),
                lowFrequencyFactor: try fields.optionalNumber("low_freq_factor", in: Self.positive) ?? 1,
                highFrequencyFactor: try fields.optionalNumber("high_freq_factor", in: Self.positive) ?? 4,
                originalContext: try original())
        case "yarn":
            self = .yarn(
                factor: try factor(), betaFast: try fields.optionalNumber("beta_fast", in: Self.positive) ?? 32,
                betaSlow: try fields.optionalNumber("beta_slow", in: Self.positive) ?? 1,
                originalContext: try original(),
                attentionFactor: try fields.optionalNumber("attention_factor", in: Self.positive))
        case "divisors":
            let list = fields["divisors"]?.arrayValue?.compactMap(\.doubleValue) ?? []
            guard !list.isEmpty, list.count <= 4096, list.allSatisfy({ Self.positive.contains($0) }) else {
                throw fields.fail("divisors", "is not a list of positive numbers")
            }
            self = .divisors(list)
        default: throw fields.fail("rope_type", "is \"\(type.prefix(64))\"; supported: default, linear, llama3, yarn")
        }
    }

    /// The `rope_scaling` object this value is read from; nil for none.
    var serialized: JSONValue? {
        switch self {
        case .none: nil
        case .linear(let factor): ["rope_type": "linear", "factor": .double(factor)]
        case .llama3(let factor, let low, let high, let original):
            [
                "rope_type": "llama3", "factor": .double(factor), "low_freq_factor": .double(low),
                "high_freq_factor": .double(high), "original_max_position_embeddings": .int(Int64(original)),
            ]
        case .yarn(let factor, let fast, let slow, let original, let attention):
            [
                "rope_type": "yarn", "factor": .double(factor), "beta_fast": .double(fast), "beta_slow": .double(slow),
                "original_max_position_embeddings": .int(Int64(original)),
                "attention_factor": attention.map { .double($0) } ?? .null,
            ]
        case .divisors(let list): ["rope_type": "divisors", "divisors": .array(list.map { .double($0) })]
        }
    }
}
