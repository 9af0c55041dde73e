// The middle and the spread of repeated measurements.

extension Array where Element == Double {
    /// The middle value, or the mean of the two in the middle; 0 of none.
    public var median: Double {
        guard !isEmpty else { return 0 }
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }

    /// Half the distance between the smallest and the largest; 0 of none. Printed behind a median as `±`.
    public var halfRange: Double { isEmpty ? 0 : ((self.max() ?? 0) - (self.min() ?? 0)) / 2 }

    public var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }

    /// Standard deviation of the population, as numpy's default.
    public var standardDeviation: Double {
        let mean = mean
        return isEmpty ? 0 : (reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)).squareRoot()
    }
}
