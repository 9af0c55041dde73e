// The sampling a checkpoint asks for when a request does not say.
import QuernEngine
import QuernModel

extension SamplingParameters {
    /// The checkpoint's generation_config.json over the neutral defaults.
    public init(defaults: GenerationDefaults) {
        self.init()
        if let value = defaults.temperature { temperature = value }
        if let value = defaults.topK { topK = value }
        if let value = defaults.topP { topP = value }
        if let value = defaults.minP { minP = value }
        if let value = defaults.repetitionPenalty { repetitionPenalty = value }
    }
}
