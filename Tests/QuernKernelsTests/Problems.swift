// Random problems for the kernels, and plain references in double precision.
import CQuernKernels

/// A small deterministic generator, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// Every instruction set of this processor; the first is the scalar specification.
let instructionSets: [String] = {
    var names: [String] = []
    while let name = qk_ops_supported(Int32(names.count)) { names.append(String(cString: name)) }
    return names
}()

func ops(_ name: String) -> OpaquePointer { qk_ops_resolve(name)! }

/// A pool that ends with its owner.
final class Pool {
    let handle: OpaquePointer
    init(_ threads: Int32) { handle = qk_pool_create(threads)! }
    deinit { qk_pool_destroy(handle) }
}

/// Weights in tile layout beside the matrix they were packed from.
struct Weights {
    let rows, columns, group, padded: Int
    private(set) var bits: Int32
    var values: [Int8]      // of eight bits, or packed to fewer
    private var integers: [Int8]
    var scales: [UInt16]

    init(rows: Int, columns: Int, group: Int, random: inout SplitMix64, extreme: Bool = false, bits: Int32 = 8) {
        self.rows = rows
        self.columns = columns
        self.group = group
        self.bits = bits
        padded = (columns + group - 1) / group * group
        let tiles = (rows + 15) / 16
        integers = Array(repeating: 0, count: tiles * 16 * padded)
        values = []
        scales = Array(repeating: 0, count: tiles * 16 * padded / group)
        for row in 0..<rows {
            for k in 0..<columns {
                let limit: Int8 = bits == 8 ? 127 : bits == 6 ? 31 : 7
                integers[index(row, k)] = extreme
                    ? (Bool.random(using: &random) ? limit : -limit) : Int8.random(in: -limit...limit, using: &random)
            }
            for g in 0..<(padded / group) {
                scales[scaleIndex(row, g)] = Float16(Float.random(in: 0.001...0.02, using: &random)).bitPattern
            }
        }
        guard bits < 8 else {
            values = integers
            return
        }
        var packed = [UInt8](repeating: 0, count: integers.count * Int(bits) / 8)
        qk_pack_chunks(integers, Int64(integers.count / 64), bits, &packed)
        values = packed.map { Int8(bitPattern: $0) }
    }

    /// The same integers, a byte each.
    var withEightBits: Weights {
        var plain = self
        plain.bits = 8
        plain.values = integers
        return plain
    }

    func index(_ row: Int, _ k: Int) -> Int { ((row / 16) * (padded / 4) + k / 4) * 64 + row % 16 * 4 + k % 4 }
    func scaleIndex(_ row: Int, _ g: Int) -> Int { ((row / 16) * (padded / group) + g) * 16 + row % 16 }
    func weight(_ row: Int, _ k: Int) -> Double {
        Double(integers[index(row, k)]) * Double(Float16(bitPattern: scales[scaleIndex(row, k / group)]))
    }
}

/// Memory for quantised activations, with the rows past the last that kernels may read.
final class ActivationMemory {
    let handle: qk_activations
    private let integers, groups: Int

    init(_ m: Int, padded: Int, group: Int, bits: Int32 = 16) {
        let slack = 15
        integers = m * padded
        groups = integers / group
        let values = UnsafeMutablePointer<Int16>.allocate(capacity: (m + slack) * padded)
        values.initialize(repeating: 77, count: (m + slack) * padded)
        let scales = UnsafeMutablePointer<Float>.allocate(capacity: (m + slack) * padded / group)
        scales.initialize(repeating: 77, count: (m + slack) * padded / group)
        let offsets = UnsafeMutablePointer<Int32>.allocate(capacity: (m + slack) * padded / group)
        offsets.initialize(repeating: 77, count: (m + slack) * padded / group)
        handle = qk_activations(values: values, scales: scales, offsets: offsets, bits: bits)
    }

    deinit {
        handle.values.deallocate()
        handle.scales.deallocate()
        handle.offsets.deallocate()
    }

    /// Of the real rows, in the layout of the instruction set that wrote them.
    var values: [Int16] { Array(UnsafeBufferPointer(start: handle.values, count: integers)) }
    var scales: [Float] { Array(UnsafeBufferPointer(start: handle.scales, count: groups)) }
}

struct MatmulOptions {
    var isa = instructionSets[0]
    var threads: Int32 = 1
    var bias: [Float]?
    var residual: [Float]?
    var bits: Int32 = 16
}

/// Quantises x ([m, columns]) and multiplies; returns [m, rows].
func matmul(_ x: [Float], _ m: Int, _ w: Weights, _ options: MatmulOptions = MatmulOptions()) -> [Float] {
    let pool = Pool(options.threads)
    let table = ops(options.isa)
    let memory = ActivationMemory(m, padded: w.padded, group: w.group, bits: options.bits)
    var y = options.residual ?? [Float](repeating: .nan, count: m * w.rows)
    qk_quantize_rows(
        table, pool.handle, x, Int64(w.columns), Int64(m), Int64(w.columns), Int64(w.padded), Int32(w.group), memory.handle)
    w.values.withUnsafeBufferPointer { weightValues in
        w.scales.withUnsafeBufferPointer { weightScales in
            y.withUnsafeMutableBufferPointer { y in
                func run(_ bias: UnsafePointer<Float>?) {
                    var job = qk_matmul_job(
                        weights: qk_q8_matrix(
                            values: weightValues.baseAddress, scales: weightScales.baseAddress, rows: Int64(w.rows),
                            k_padded: Int64(w.padded), group: Int32(w.group), bits: w.bits),
                        y: y.baseAddress, ldy: Int64(w.rows), bias: bias, accumulate: options.residual == nil ? 0 : 1)
                    qk_q8_matmul(table, pool.handle, memory.handle, Int64(m), &job, 1)
                }
                if let bias = options.bias { bias.withUnsafeBufferPointer { run($0.baseAddress) } } else { run(nil) }
            }
        }
    }
    return y
}

extension [Float] {
    /// Equality of bits: NaN equals NaN, -0 differs from 0.
    var bits: [UInt32] { map(\.bitPattern) }
}
