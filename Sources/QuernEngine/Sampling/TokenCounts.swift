// Which tokens a sequence has seen, for the penalties. Allocated once, when a request with penalties is admitted.
import QuernTensor

struct TokenCounts {
    private var inPrompt: [Bool]
    private var inCompletion: [Int32]

    init(tokenCount: Int, prompt: [TokenID]) {
        inPrompt = Array(repeating: false, count: tokenCount)
        inCompletion = Array(repeating: 0, count: tokenCount)
        for token in prompt { inPrompt[Int(token)] = true }
    }

    mutating func add(_ token: TokenID) { inCompletion[Int(token)] &+= 1 }

    /// Repetition as in CTRL (arXiv 1909.05858), presence and frequency as in the OpenAI API.
    func penalize(_ logits: Floats, _ parameters: SamplingParameters) {
        let buffer = logits.buffer
        for index in 0..<buffer.count {
            let count = inCompletion[index]
            guard count > 0 || inPrompt[index] else { continue }
            var logit = buffer[index]
            logit = logit > 0 ? logit / parameters.repetitionPenalty : logit * parameters.repetitionPenalty
            if count > 0 { logit -= parameters.presencePenalty + parameters.frequencyPenalty * Float(count) }
            buffer[index] = logit
        }
    }
}
