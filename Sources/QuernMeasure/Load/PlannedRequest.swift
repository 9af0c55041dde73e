// A request before it is sent: when, how long, and which parts of its prompt others have too.

public struct PlannedRequest: Sendable, Equatable {
    /// Seconds after the load begins; 0 in a closed loop, where the next request waits for an answer.
    public var offset = 0.0
    public var promptTokens: Int
    public var outputTokens: Int
    /// Names of the blocks the prompt begins with: equal names are equal text. Empty when nothing is shared.
    public var blocks: [Int64] = []
    /// Tokens per block.
    public var blockTokens = 0

    public init(promptTokens: Int, outputTokens: Int) {
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
    }
}

extension PlannedRequest {
    /// Requests with lengths drawn from `prompts` and `outputs`, arriving as a Poisson process of `rate` per second when given.
    public static func drawn(
        _ count: Int, prompts: LengthDistribution, outputs: LengthDistribution, rate: Double?,
        using random: inout some RandomNumberGenerator
    ) -> [PlannedRequest] {
        var time = 0.0
        return (0..<count).map { _ in
            var request = PlannedRequest(promptTokens: prompts.sample(&random), outputTokens: outputs.sample(&random))
            request.offset = time
            if let rate { time += unitExponential(&random) / rate }
            return request
        }
    }

    /// Cuts the prompt, then the answer, to what `context` holds; false when something was cut.
    public mutating func fit(context: Int) -> Bool {
        let wanted = (promptTokens, outputTokens)
        outputTokens = max(1, min(outputTokens, context - 1))
        promptTokens = max(1, min(promptTokens, context - outputTokens))
        return wanted == (promptTokens, outputTokens)
    }

    /// The prompt's tokens, in 0..<vocabulary: those of shared blocks follow from the block's name, the rest is drawn.
    ///
    /// - Parameter salt: another one makes all of it other text, so that nothing cached before a run is used in it.
    public func prompt(vocabulary: Int, salt: UInt64, using random: inout some RandomNumberGenerator) -> [Int32] {
        let limit = Int32(clamping: max(1, vocabulary))
        return (0..<promptTokens).map { position in
            guard blockTokens > 0, position / blockTokens < blocks.count else { return Int32.random(in: 0..<limit, using: &random) }
            var hash = salt ^ UInt64(bitPattern: blocks[position / blockTokens]) &* 0x9E37_79B9_7F4A_7C15
            hash = (hash ^ UInt64(position % blockTokens)) &* 0xBF58_476D_1CE4_E5B9
            hash = (hash ^ (hash >> 29)) &* 0x94D0_49BB_1331_11EB
            return Int32(hash >> 33) % limit
        }
    }
}
