// The architectures this build computes, and the traits that tell them apart.
//
// Owns: names in config.json and GGUF, and what a name alone decides. Does not own: sizes (ModelConfig), layers
// (QuernEngine/Architectures). Invariant: raw values are the `model_type` that an archive writes.

public enum ArchitectureName: String, Sendable, CaseIterable {
    case llama, qwen2, qwen3
    case qwen2MoE = "qwen2_moe"
    case qwen3MoE = "qwen3_moe"
    case qwen3Next = "qwen3_next"
    case qwen35 = "qwen3_5"
    case qwen35MoE = "qwen3_5_moe"
    case seedOSS = "seed_oss"

    /// Other spellings of `model_type`: the text part of a composite checkpoint, and Llama under a publisher's name.
    private static let aliases: [String: ArchitectureName] = [
        "qwen3_5_text": .qwen35, "qwen3_5_moe_text": .qwen35MoE, "mistral": .llama,
    ]

    public init?(modelType: String) {
        guard let name = ArchitectureName(rawValue: modelType) ?? Self.aliases[modelType] else { return nil }
        self = name
    }

    /// Every `model_type` that is understood, for messages.
    public static var modelTypes: [String] { allCases.map(\.rawValue) + aliases.keys.sorted() }

    /// `general.architecture` of a GGUF file.
    public var ggufName: String {
        switch self {
        case .llama, .qwen2, .qwen3, .seedOSS: rawValue
        case .qwen2MoE: "qwen2moe"
        case .qwen3MoE: "qwen3moe"
        case .qwen3Next: "qwen3next"
        case .qwen35: "qwen35"
        case .qwen35MoE: "qwen35moe"
        }
    }

    public init?(ggufName: String) {
        guard let name = Self.allCases.first(where: { $0.ggufName == ggufName }) else { return nil }
        self = name
    }

    /// Layers of linear attention between those that attend; output-gated attention; norms stored as their distance from one.
    public var isHybrid: Bool { [.qwen3Next, .qwen35, .qwen35MoE].contains(self) }
    /// Feed-forward layers are mixtures of experts.
    public var hasExperts: Bool { [.qwen2MoE, .qwen3MoE, .qwen3Next, .qwen35MoE].contains(self) }
    /// One more expert that every token passes through.
    public var hasSharedExpert: Bool { hasExperts && self != .qwen3MoE }
    /// An RMS norm over every query and key head.
    public var normalizesHeads: Bool { isHybrid || self == .qwen3 || self == .qwen3MoE }
    /// Checkpoints nest the text model's configuration beside a vision tower's.
    var isComposite: Bool { self == .qwen35 || self == .qwen35MoE }
}
