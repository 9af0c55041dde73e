// Token counts and times of an answer, as clients read them: OpenAI's `usage`, llama.cpp's `timings`.
import QuernJSON

public struct Measurements: Sendable {
    public var promptTokens = 0
    public var cachedTokens = 0
    public var completionTokens = 0
    /// Those of them that came while the model was thinking.
    public var thinkingTokens = 0
    public var queueMS = 0.0
    public var promptMS = 0.0
    public var predictedMS = 0.0

    public init() {}

    /// Adds a sequence that ran beside the others: counts add up, times overlap.
    ///
    /// - Parameter sharesPrompt: it answers a prompt that is counted already.
    public mutating func add(_ other: Measurements, sharesPrompt: Bool) {
        if !sharesPrompt {
            promptTokens += other.promptTokens
            cachedTokens += other.cachedTokens
        }
        completionTokens += other.completionTokens
        thinkingTokens += other.thinkingTokens
        queueMS = max(queueMS, other.queueMS)
        promptMS = max(promptMS, other.promptMS)
        predictedMS = max(predictedMS, other.predictedMS)
    }

    public var usage: JSONValue {
        [
            "prompt_tokens": .int(Int64(promptTokens)), "completion_tokens": .int(Int64(completionTokens)),
            "total_tokens": .int(Int64(promptTokens + completionTokens)),
            "prompt_tokens_details": ["cached_tokens": .int(Int64(cachedTokens))],
            "completion_tokens_details": ["reasoning_tokens": .int(Int64(thinkingTokens))],
        ]
    }

    public var timings: JSONValue {
        // The first token is prefill's; decode speed counts the ones after it.
        let decoded = max(0, completionTokens - 1)
        let computed = promptTokens - cachedTokens
        return [
            "cache_n": .int(Int64(cachedTokens)), "prompt_n": .int(Int64(computed)), "prompt_ms": rounded(promptMS),
            "prompt_per_token_ms": rounded(ratio(promptMS, computed)), "prompt_per_second": rounded(rate(computed, promptMS)),
            "predicted_n": .int(Int64(completionTokens)), "predicted_ms": rounded(predictedMS),
            "predicted_per_token_ms": rounded(ratio(predictedMS, decoded)),
            "predicted_per_second": rounded(rate(decoded, predictedMS)), "queue_ms": rounded(queueMS),
            "ttft_ms": rounded(queueMS + promptMS),
        ]
    }

    private func rate(_ count: Int, _ milliseconds: Double) -> Double { milliseconds > 0 ? Double(count) * 1000 / milliseconds : 0 }
    private func ratio(_ milliseconds: Double, _ count: Int) -> Double { count > 0 ? milliseconds / Double(count) : 0 }
    private func rounded(_ value: Double) -> JSONValue { .double((value * 1000).rounded() / 1000) }
}
