// Token counts, times and traffic of an answer, as clients read them: OpenAI's `usage`, llama.cpp's `timings`.
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
    /// Bytes the engine read in the time of `predictedMS`, for whomever.
    public var bytesRead = 0
    /// Bytes per second that the device in use reads at most; nil when no device is known.
    public var roofline: Double?
    /// Nil when no device was named.
    public var projection: Projection?

    /// What the same tokens would take on another device.
    public struct Projection: Sendable {
        public var device: String
        public var tokens: Int
        /// The fast end, the likeliest and the slow end.
        public var seconds: (low: Double, expected: Double, high: Double)
        public var bottleneck: String
        /// The answer came at this pace.
        public var isSimulated: Bool

        public init(
            device: String, tokens: Int, seconds: (low: Double, expected: Double, high: Double), bottleneck: String, isSimulated: Bool
        ) {
            self.device = device
            self.tokens = tokens
            self.seconds = seconds
            self.bottleneck = bottleneck
            self.isSimulated = isSimulated
        }

        /// Tokens per second: the slow end, the likeliest and the fast end.
        public var rate: (low: Double, expected: Double, high: Double) {
            func rate(_ seconds: Double) -> Double { seconds > 0 ? Double(tokens) / seconds : 0 }
            return (rate(seconds.high), rate(seconds.expected), rate(seconds.low))
        }
    }

    public init() {}

    /// Bytes read per second between the first token and the last; 0 for an answer of one.
    public var readRate: Double { predictedMS > 0 ? Double(bytesRead) * 1000 / predictedMS : 0 }
    /// What share that is of the device's; nil when no device is known.
    public var rooflineShare: Double? { roofline.map { readRate / $0 } }

    /// Adds a sequence that ran beside the others: counts add up, times overlap, and the slowest saw the most traffic.
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
        if other.predictedMS >= predictedMS { (predictedMS, bytesRead) = (other.predictedMS, other.bytesRead) }
        roofline = roofline ?? other.roofline
        guard var slowest = other.projection else { return }
        if let projection, projection.seconds.expected > slowest.seconds.expected { slowest = projection }
        slowest.tokens = (projection?.tokens ?? 0) + (other.projection?.tokens ?? 0)
        projection = slowest
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
        let times: JSONValue = [
            "cache_n": .int(Int64(cachedTokens)), "prompt_n": .int(Int64(computed)), "prompt_ms": rounded(promptMS),
            "prompt_per_token_ms": rounded(ratio(promptMS, computed)), "prompt_per_second": rounded(rate(computed, promptMS)),
            "predicted_n": .int(Int64(completionTokens)), "predicted_ms": rounded(predictedMS),
            "predicted_per_token_ms": rounded(ratio(predictedMS, decoded)),
            "predicted_per_second": rounded(rate(decoded, predictedMS)), "queue_ms": rounded(queueMS),
            "ttft_ms": rounded(queueMS + promptMS), "gb_per_second": rounded(readRate / 1e9),
        ]
        var timings = times.objectValue ?? JSONObject()
        if let rooflineShare { timings.append("roofline_share", .double((rooflineShare * 1e6).rounded() / 1e6)) }
        if let projection {
            let rate = projection.rate
            timings.append("projected", [
                "device": .string(projection.device), "low": rounded(rate.low), "expected": rounded(rate.expected),
                "high": rounded(rate.high), "bottleneck": .string(projection.bottleneck),
            ])
            if projection.isSimulated { timings.append("simulated", true) }
        }
        return .object(timings)
    }

    private func rate(_ count: Int, _ milliseconds: Double) -> Double { milliseconds > 0 ? Double(count) * 1000 / milliseconds : 0 }
    private func ratio(_ milliseconds: Double, _ count: Int) -> Double { count > 0 ? milliseconds / Double(count) : 0 }
    private func rounded(_ value: Double) -> JSONValue { .double((value * 1000).rounded() / 1000) }
}
