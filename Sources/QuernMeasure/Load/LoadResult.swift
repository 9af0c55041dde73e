// The figures of one load: throughput, percentiles of latency, goodput.

/// How requests arrive.
public enum Arrivals: Sendable, Equatable {
    /// A fixed number at any time: the next is sent when one ends.
    case closed(concurrency: Int)
    /// Independent of the answers, this many per second on average.
    case poisson(rate: Double)
    /// As recorded, so many times as fast, with lengths scaled.
    case trace(name: String, speed: Double, lengths: Double)

    public var name: String {
        switch self {
        case .closed: "closed"
        case .poisson: "poisson"
        case .trace: "trace"
        }
    }

    public var text: String {
        switch self {
        case .closed(let count): "closed, \(count) at a time"
        case .poisson(let rate): "poisson, \(shortest(rate)) per second"
        case .trace(let name, let speed, let lengths): "\(name), speed \(shortest(speed)), lengths \(shortest(lengths))"
        }
    }
}

/// Percentiles of one kind of time, in seconds.
public struct LatencyFigures: Sendable, Equatable {
    public var mean = 0.0
    public var standardDeviation = 0.0
    public var median = 0.0
    public var p90 = 0.0
    public var p95 = 0.0
    public var p99 = 0.0

    public init(_ seconds: some Sequence<Double>) {
        let histogram = LatencyHistogram(seconds: seconds)
        mean = histogram.mean
        standardDeviation = histogram.standardDeviation
        (median, p90, p95, p99) = (
            histogram.percentile(50), histogram.percentile(90), histogram.percentile(95), histogram.percentile(99)
        )
    }
}

public struct LoadResult: Sendable {
    public let arrivals: Arrivals
    public let records: [RequestRecord]
    public let target: LatencyTarget?
    /// From the first request's due time to the end of the last.
    public let duration: Double
    public let timeToFirst: LatencyFigures
    public let timePerToken: LatencyFigures
    public let gaps: LatencyFigures
    public let wholeTime: LatencyFigures

    public init(_ records: [RequestRecord], arrivals: Arrivals, target: LatencyTarget?) {
        self.arrivals = arrivals
        self.records = records
        self.target = target
        let complete = records.filter(\.isComplete)
        duration = max(1e-9, (records.map(\.ended).max() ?? 0) - (records.map(\.due).min() ?? 0))
        timeToFirst = LatencyFigures(complete.compactMap(\.timeToFirst))
        timePerToken = LatencyFigures(complete.compactMap(\.timePerToken))
        gaps = LatencyFigures(complete.lazy.flatMap(\.gaps))
        wholeTime = LatencyFigures(complete.map(\.wholeTime))
    }

    public var completed: Int { records.count(where: \.isComplete) }
    public var failed: Int { records.count - completed }
    public var promptTokens: Int { records.reduce(0) { $0 + $1.promptTokens } }
    public var cachedTokens: Int { records.reduce(0) { $0 + $1.cachedTokens } }
    public var outputTokens: Int { records.reduce(0) { $0 + $1.outputTokens } }
    /// Generated tokens per second, all requests together.
    public var outputRate: Double { Double(outputTokens) / duration }
    public var totalRate: Double { Double(outputTokens + promptTokens) / duration }
    public var requestRate: Double { Double(completed) / duration }

    /// Requests that met the target; nil without one.
    public var good: Int? { target.map { target in records.count { target.isMet(by: $0) } } }
    /// Those per second.
    public var goodput: Double? { good.map { Double($0) / duration } }
}
