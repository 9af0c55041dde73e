// What became of one request of a load: the moments its tokens arrived, or why it failed.

public struct RequestRecord: Sendable {
    /// When it was due, in seconds since the load began. Waiting to be sent counts as latency: a slow server must not
    /// slow down the clock it is measured by.
    public var due: Double
    /// When it ended.
    public var ended = 0.0
    public var promptTokens = 0
    /// Prompt tokens that the server did not compute.
    public var cachedTokens = 0
    public var outputTokens = 0
    /// When each token of the answer arrived.
    public var arrivals: [Double] = []
    public var error: String?

    public init(due: Double) { self.due = due }

    public var isComplete: Bool { error == nil && !arrivals.isEmpty }

    /// From due to the first token (TTFT).
    public var timeToFirst: Double? { arrivals.first.map { $0 - due } }

    /// Mean time between the tokens after the first (TPOT), as vLLM defines it.
    public var timePerToken: Double? {
        guard let first = arrivals.first, let last = arrivals.last, outputTokens > 1, last > first else { return nil }
        return (last - first) / Double(outputTokens - 1)
    }

    /// Times between consecutive tokens (ITL).
    public var gaps: [Double] { zip(arrivals, arrivals.dropFirst()).map { $1 - $0 } }

    public var wholeTime: Double { ended - due }
}
