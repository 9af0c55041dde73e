// One number of a profile: how much, how sure, and who says so.

/// How a number came to be known.
public enum Confidence: String, Sendable, CaseIterable {
    /// Stated in a public source.
    case read
    /// Arithmetic or a fit on values that were read.
    case derived
    /// General knowledge, not checked.
    case recalled
    /// Measured on the device itself.
    case measured
    /// Nobody publishes it.
    case unknown
}

/// An interval with a most likely value.
public struct Estimate: Sendable, Equatable {
    public let low: Double
    public let expected: Double
    public let high: Double

    public init(low: Double, expected: Double, high: Double) {
        self.low = low
        self.expected = expected
        self.high = high
    }

    public init(_ value: Double) { self.init(low: value, expected: value, high: value) }

    func scaled(_ low: Double, _ expected: Double, _ high: Double) -> Estimate {
        Estimate(low: self.low * low, expected: self.expected * expected, high: self.high * high)
    }
}

public struct Fact: Sendable, Equatable {
    /// In base units: bytes, seconds, operations. Nil when unknown.
    public let value: Estimate?
    public let dimension: Dimension
    public let confidence: Confidence
    public let source: String

    public init(value: Estimate?, dimension: Dimension, confidence: Confidence, source: String) {
        self.value = value
        self.dimension = dimension
        self.confidence = confidence
        self.source = source
    }

    /// The value as profiles write it, such as `2.27 TB/s` or `83 .. 116 us`.
    public var description: String {
        guard let value else { return "unknown" }
        guard value.low != value.high else { return Unit.describe(value.expected, dimension) }
        return Unit.describe(value.low, value.high, dimension)
    }
}
