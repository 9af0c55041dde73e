// Times in a high dynamic range histogram: percentiles of millions of values to three digits in fixed memory.
import Histogram

public struct LatencyHistogram: Sendable {
    /// In microseconds, up to an hour.
    private var histogram = Histogram<UInt64>(highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three)
    private var sum = 0.0
    private var squares = 0.0

    public init() {}

    public init(seconds: some Sequence<Double>) {
        for value in seconds { record(value) }
    }

    /// Times below a microsecond count as one, times above an hour as an hour.
    public mutating func record(_ seconds: Double) {
        guard seconds.isFinite else { return }
        let seconds = min(max(seconds, 1e-6), 3600)
        histogram.record(UInt64(seconds * 1e6))
        sum += seconds
        squares += seconds * seconds
    }

    public var count: Int { Int(clamping: histogram.totalCount) }

    /// Seconds that `percent` of the values do not exceed; 0 of none.
    public func percentile(_ percent: Double) -> Double {
        count == 0 ? 0 : Double(histogram.valueAtPercentile(percent)) / 1e6
    }

    public var mean: Double { count == 0 ? 0 : sum / Double(count) }

    public var standardDeviation: Double {
        count == 0 ? 0 : max(0, squares / Double(count) - mean * mean).squareRoot()
    }
}
