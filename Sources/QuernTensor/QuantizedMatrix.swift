// Matrices as the kernels read them: int8 tiles with half-precision group scales, or plain floats.
//
// Owns: shapes and layout arithmetic. Does not own: the bytes (an arena does).
// Invariant: int8 values lie in -127...127, rows and columns are zero-padded to whole tiles and groups.
import CQuernKernels

/// Integers that a weight becomes.
public enum WeightBits: Int32, Sendable, CaseIterable, Comparable {
    case four = 4
    case six = 6
    case eight = 8

    public static func < (a: WeightBits, b: WeightBits) -> Bool { a.rawValue < b.rawValue }
}

/// Byte counts and paddings of the tile layout: 16 rows x 4 columns per chunk of 64 integers, one f16 scale per (row, group).
public struct TileShape: Sendable, Equatable {
    public static let tileRows = 16
    public let rows: Int
    public let columns: Int
    public let group: Int
    public let bits: WeightBits

    /// - Precondition: rows and columns positive, group 32 or 64.
    public init(rows: Int, columns: Int, group: Int, bits: WeightBits = .eight) {
        precondition(rows > 0 && columns > 0 && (group == 32 || group == 64))
        self.rows = rows
        self.columns = columns
        self.group = group
        self.bits = bits
    }

    public var paddedRows: Int { (rows + 15) / 16 * 16 }
    public var paddedColumns: Int { (columns + group - 1) / group * group }
    public var groups: Int { paddedColumns / group }
    /// Bytes of the integers.
    public var valueByteCount: Int { paddedRows * paddedColumns / 8 * Int(bits.rawValue) }
    /// Number of f16 scales.
    public var scaleCount: Int { paddedRows * groups }
}

/// y = W x with W [rows, columns] in groups of integers along the columns.
public struct QuantizedMatrix: @unchecked Sendable {
    public let shape: TileShape
    package let values: UnsafeMutablePointer<Int8>
    package let scales: UnsafeMutablePointer<UInt16>

    /// Reserves zeroed storage; the loader fills it before the first product.
    public init(_ shape: TileShape, in arena: Arena) throws(SystemError) {
        self.shape = shape
        values = try arena.allocate(byteCount: shape.valueByteCount)
            .bindMemory(to: Int8.self, capacity: shape.valueByteCount)
        scales = try arena.allocate(byteCount: shape.scaleCount * 2)
            .bindMemory(to: UInt16.self, capacity: shape.scaleCount)
    }

    /// Storage for the loader: tiles of integers.
    public var valueBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: values, count: shape.valueByteCount)
    }

    /// Storage for the loader: f16 scales.
    public var scaleBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: scales, count: shape.scaleCount * 2)
    }

    public var byteCount: Int { shape.valueByteCount + shape.scaleCount * 2 }

    var handle: qk_q8_matrix {
        qk_q8_matrix(
            values: values, scales: scales, rows: Int64(shape.rows), k_padded: Int64(shape.paddedColumns),
            group: Int32(shape.group), bits: shape.bits.rawValue)
    }
}

/// y = W x with W [rows, columns] in f32, row-major: the reference path.
public struct FloatMatrix: Sendable {
    public let rows: Int
    public let columns: Int
    public let values: Floats

    public init(rows: Int, columns: Int, in arena: Arena) throws(SystemError) {
        self.init(rows: rows, columns: columns, values: try arena.floats(rows * columns))
    }

    private init(rows: Int, columns: Int, values: Floats) {
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// Some of the rows, in place.
    public func rows(_ range: Range<Int>) -> FloatMatrix {
        FloatMatrix(
            rows: range.count, columns: columns, values: values.slice(from: range.lowerBound * columns, count: range.count * columns))
    }
}

/// Integers that an activation becomes.
public enum ActivationBits: Int32, Sendable, CaseIterable {
    /// -127...127: twice as fast where bytes are multiplied, with an error of half a percent of a group's largest value.
    case eight = 8
    /// -32767...32767: as good as exact beside int8 weights.
    case sixteen = 16
}

/// Quantised activations of up to `capacity` tokens: integers and one float scale per group.
public struct Activations: @unchecked Sendable {
    let capacity: Int
    let columns: Int
    let bits: ActivationBits
    let values: UnsafeMutablePointer<Int16>
    let scales: UnsafeMutablePointer<Float>
    let offsets: UnsafeMutablePointer<Int32>

    /// - Parameters:
    ///   - tokens: most tokens of one step.
    ///   - columns: widest input of any matrix.
    public init(tokens: Int, columns: Int, bits: ActivationBits = .sixteen, in arena: Arena) throws(SystemError) {
        let padded = (columns + 63) / 64 * 64
        capacity = tokens
        self.bits = bits
        self.columns = padded
        let rows = tokens + 15    // that kernels may read (see qk_activations)
        values = try arena.allocate(byteCount: rows * padded * 2).bindMemory(to: Int16.self, capacity: rows * padded)
        scales = try arena.allocate(byteCount: rows * padded / 32 * 4)
            .bindMemory(to: Float.self, capacity: rows * padded / 32)
        offsets = try arena.allocate(byteCount: rows * padded / 32 * 4)
            .bindMemory(to: Int32.self, capacity: rows * padded / 32)
    }

    var handle: qk_activations { qk_activations(values: values, scales: scales, offsets: offsets, bits: bits.rawValue) }
}
