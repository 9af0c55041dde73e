// How long prompts and answers are: one length, or lengths drawn from a distribution.
import Foundation

public enum LengthDistribution: Sendable, Equatable {
    case fixed(Int)
    /// Both ends included.
    case uniform(ClosedRange<Int>)
    case normal(mean: Double, deviation: Double)
    /// By the median and the standard deviation of the logarithm: chats are about (200, 1).
    case lognormal(median: Double, sigma: Double)
    case exponential(mean: Double)

    /// What lengths may be; drawn ones are clamped to it.
    public static let bounds = 1...1_000_000

    /// From `128`, `uniform:64:256`, `normal:200:50`, `lognormal:200:0.8` or `exponential:150`.
    public init(parsing text: String) throws(MeasureError) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = fields.dropFirst().compactMap { Double($0) }.filter { 0 <= $0 && $0 <= Double(Self.bounds.upperBound) }
        switch (fields.first, fields.count, numbers.count) {
        case (let length?, 1, _):
            guard let length = Int(length), Self.bounds.contains(length) else { throw Self.failure(text) }
            self = .fixed(length)
        case ("uniform", 3, 2):
            guard numbers[0] >= 1, numbers[0] <= numbers[1] else { throw Self.failure(text) }
            self = .uniform(Int(numbers[0])...Int(numbers[1]))
        case ("normal", 3, 2): self = .normal(mean: numbers[0], deviation: numbers[1])
        case ("lognormal", 3, 2):
            guard numbers[0] > 0, numbers[1] <= 10 else { throw Self.failure(text) }
            self = .lognormal(median: numbers[0], sigma: numbers[1])
        case ("exponential", 2, 1): self = .exponential(mean: numbers[0])
        default: throw Self.failure(text)
        }
    }

    private static func failure(_ text: String) -> MeasureError {
        MeasureError(
            "\"\(text)\" is not a length; write a number from 1 to \(bounds.upperBound), uniform:LOW:HIGH, normal:MEAN:DEVIATION, "
                + "lognormal:MEDIAN:SIGMA or exponential:MEAN")
    }

    public func sample(_ random: inout some RandomNumberGenerator) -> Int {
        switch self {
        case .fixed(let length): length
        case .uniform(let range): Int.random(in: range, using: &random)
        case .normal(let mean, let deviation): Self.clamped(mean + deviation * Self.gaussian(&random))
        case .lognormal(let median, let sigma): Self.clamped(median * exp(sigma * Self.gaussian(&random)))
        case .exponential(let mean): Self.clamped(mean * unitExponential(&random))
        }
    }

    private static func clamped(_ value: Double) -> Int {
        Int(min(max(value.rounded(), Double(bounds.lowerBound)), Double(bounds.upperBound)))
    }

    /// Box and Muller's transform.
    private static func gaussian(_ random: inout some RandomNumberGenerator) -> Double {
        (2 * unitExponential(&random)).squareRoot() * cos(2 * .pi * Double.random(in: 0..<1, using: &random))
    }

    public var fixedLength: Int? {
        if case .fixed(let length) = self { length } else { nil }
    }
}

/// The waiting time of a Poisson process of rate 1.
func unitExponential(_ random: inout some RandomNumberGenerator) -> Double {
    -log(Double.random(in: Double.leastNonzeroMagnitude..<1, using: &random))
}
