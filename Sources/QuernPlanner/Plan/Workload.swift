// What is asked of a device: which format, how many sequences, how long.
import QuernModel

public struct Workload: Sendable, Equatable {
    /// Prompt tokens of each request.
    public var input = 1024
    /// Generated tokens of each request.
    public var output = 256
    /// Requests computed together.
    public var batch = 1
    /// Positions that memory is kept for, per sequence; nil takes input + output.
    public var context: Int?
    /// Sequences that memory is kept for; nil takes the batch.
    public var parallel: Int?
    /// Chips that share the model by tensor parallelism.
    public var chips = 1
    public var format: TensorFormat
    /// Bytes of one cached key or value element.
    public var cacheBytes = 2.0
    /// What the weights of a file on disk occupy; nil computes them from the format.
    public var weightBytes: Double?

    public init(format: TensorFormat) { self.format = format }

    public var reservedContext: Int { context ?? input + output }
    public var reservedSequences: Int { parallel ?? batch }

    /// Bounds of every count, so that sums and products stay exact.
    public static let limit = 1 << 30
}
