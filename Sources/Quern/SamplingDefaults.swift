// The sampling used when a request does not say.
import QuernEngine
import QuernModel

extension SamplingParameters {
    /// What the checkpoint asks for; a checkpoint that says nothing (most GGUF files) gets the values that the Qwen2.5
    /// chat models publish in their generation_config.json, because plain sampling makes a small model ramble.
    public init(defaults: GenerationDefaults) {
        self.init()
        if defaults == GenerationDefaults() {
            temperature = 0.7
            topP = 0.8
            topK = 20
        }
        if let value = defaults.temperature { temperature = value }
        if let value = defaults.topK { topK = value }
        if let value = defaults.topP { topP = value }
        if let value = defaults.minP { minP = value }
        if let value = defaults.repetitionPenalty { repetitionPenalty = value }
    }
}
