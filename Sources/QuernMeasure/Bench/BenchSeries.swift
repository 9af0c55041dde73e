// One measured load of `quern bench`: what was done, how fast each run was, and what a token costs.

public struct BenchSeries: Sendable, Equatable {
    public enum Kind: String, Sendable { case prefill, decode }

    /// What is measured; equal keys can be compared between reports.
    public struct Key: Hashable, Sendable {
        public let kind: Kind
        /// Prompt tokens computed, or tokens generated per sequence.
        public let tokens: Int
        /// Tokens in the context before.
        public let depth: Int
        /// Sequences together.
        public let batch: Int

        public init(kind: Kind, tokens: Int, depth: Int, batch: Int) {
            self.kind = kind
            self.tokens = tokens
            self.depth = depth
            self.batch = batch
        }

        public var text: String {
            let depthText = depth > 0 ? " at \(depth)" : ""
            return "\(kind.rawValue) \(tokens)\(depthText)" + (batch > 1 ? ", \(batch) sequences" : "")
        }
    }

    public let key: Key
    /// Tokens per second of all sequences together, one value per run.
    public var runs: [Double]
    /// Bytes of weights, keys and values read per token; nil when the engine is in another process.
    public var bytesPerToken: Double?
    /// Multiply-accumulates with weights per token.
    public var multipliesPerToken: Double?
    /// How much of the nearer wall is reached: of the read bandwidth or of the multiply rate, whichever share is larger.
    public private(set) var wallShare: Double?

    /// - Parameter wallShare: as a report has it.
    public init(
        _ key: Key, runs: [Double] = [], bytesPerToken: Double? = nil, multipliesPerToken: Double? = nil, wallShare: Double? = nil
    ) {
        self.key = key
        self.runs = runs
        self.bytesPerToken = bytesPerToken
        self.multipliesPerToken = multipliesPerToken
        self.wallShare = wallShare
    }

    public var tokensPerSecond: Double { runs.median }
    public var bytesPerSecond: Double? { bytesPerToken.map { $0 * tokensPerSecond } }
    public var multipliesPerSecond: Double? { multipliesPerToken.map { $0 * tokensPerSecond } }

    /// Sets the share of the wall: the median over the runs, each against the walls as they were beside it. A machine whose
    /// neighbours come and go has no wall that holds for all of its runs.
    ///
    /// The multiply wall is that of exact 16-bit products; int8-fast, part of which multiplies bytes, can pass it.
    ///
    /// - Parameter walls: one for each run.
    public mutating func compare(with walls: [BenchWalls]) {
        let shares = zip(runs, walls).compactMap { rate, walls -> Double? in
            let memory = bytesPerToken.flatMap { walls.readBandwidth > 0 ? $0 * rate / walls.readBandwidth : nil }
            let arithmetic = multipliesPerToken.flatMap { walls.multiplyRate > 0 ? $0 * rate / walls.multiplyRate : nil }
            return [memory, arithmetic].compactMap { $0 }.max()
        }
        wallShare = shares.isEmpty ? nil : shares.median
    }
}

/// What the machine could do at most, measured during the run.
public struct BenchWalls: Sendable, Equatable {
    /// Bytes per second.
    public var readBandwidth: Double
    /// Exact 16-bit multiply-accumulates per second; 0 when unknown.
    public var multiplyRate: Double
    /// Cycles per second.
    public var clock: Double

    public init(readBandwidth: Double, multiplyRate: Double, clock: Double) {
        self.readBandwidth = readBandwidth
        self.multiplyRate = multiplyRate
        self.clock = clock
    }
}
