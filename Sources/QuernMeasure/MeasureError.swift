// What can be wrong with an input of a measurement: a trace, an old result, a distribution.

public struct MeasureError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
