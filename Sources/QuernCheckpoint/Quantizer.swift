// Float rows to tiles of integers.
//
// Symmetric groups along the columns with a half-precision scale that is searched for the smallest squared error
// (qk_quantize_weights). Integers that a source stores in such groups are copied as they are. Invariant: 8-bit values lie in -127...127 and padding is zero.
import Dispatch
import QuernTensor
import Synchronization

/// What quantising lost.
public struct QuantizationError: Sendable, Equatable {
    public var squaredError = 0.0
    public var squaredWeight = 0.0
    /// Of one weight.
    public var largest = 0.0
    /// Source integers of -128 that became -127.
    public var clamped = 0

    /// Root-mean-square error relative to the root-mean-square weight.
    public var relative: Double { squaredWeight > 0 ? (squaredError / squaredWeight).squareRoot() : 0 }

    static func + (a: QuantizationError, b: QuantizationError) -> QuantizationError {
        QuantizationError(
            squaredError: a.squaredError + b.squaredError, squaredWeight: a.squaredWeight + b.squaredWeight,
            largest: max(a.largest, b.largest), clamped: a.clamped + b.clamped)
    }
}

public enum Quantizer {
    /// Fills `values` and `scales` (layout: `TileShape`) from the tensor's rows, in parallel.
    @discardableResult
    public static func quantize(
        _ checkpoint: any Checkpoint, tensor name: String, shape: TileShape, values: UnsafeMutableRawBufferPointer,
        scales: UnsafeMutableRawBufferPointer, threads: Int
    ) throws(CheckpointError) -> QuantizationError {
        precondition(values.count == shape.valueByteCount && scales.count == shape.scaleCount * 2)
        let tiles = shape.paddedRows / TileShape.tileRows
        let outcome = Mutex<Result<QuantizationError, CheckpointError>>(.success(QuantizationError()))
        guard let instructionSet = InstructionSet() else { preconditionFailure("the scalar kernels are always there") }
        let target = TileTarget(shape: shape, values: values, scales: scales, kernels: Kernels(instructionSet))
        let workers = max(1, min(threads, tiles))
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
            let range = (tiles * worker / workers)..<(tiles * (worker + 1) / workers)
            let part = Result { () throws(CheckpointError) in
                try target.fill(range, from: checkpoint, tensor: name)
            }
            outcome.withLock { whole in
                switch (whole, part) {
                case (.success(let a), .success(let b)): whole = .success(a + b)
                case (.success, .failure): whole = part
                case (.failure, _): break
                }
            }
        }
        return try outcome.withLock { $0 }.get()
    }
}

/// Storage of one matrix that several threads fill, each its own tiles.
private struct TileTarget: @unchecked Sendable {
    let shape: TileShape
    let values: UnsafeMutableRawBufferPointer
    let scales: UnsafeMutableRawBufferPointer
    let kernels: Kernels

    func fill(
        _ tiles: Range<Int>, from checkpoint: any Checkpoint, tensor name: String
    ) throws(CheckpointError) -> QuantizationError {
        if let error = try copyIntegers(tiles, from: checkpoint, tensor: name) { return error }
        let rowFloats = shape.paddedColumns
        let rows = UnsafeMutableBufferPointer<Float>.allocate(capacity: TileShape.tileRows * shape.columns)
        // A tile of integers, one byte each, before it is packed.
        let integers = UnsafeMutableRawBufferPointer.allocate(byteCount: TileShape.tileRows * rowFloats, alignment: 64)
        let row = UnsafeMutableBufferPointer<Float>.allocate(capacity: rowFloats)
        row.initialize(repeating: 0)
        defer {
            rows.deallocate()
            row.deallocate()
            integers.deallocate()
        }
        var total = QuantizationError()
        for tile in tiles {
            let first = tile * TileShape.tileRows
            let count = min(TileShape.tileRows, shape.rows - first)
            let part = UnsafeMutableBufferPointer(rebasing: rows[..<(count * shape.columns)])
            try checkpoint.readRows(of: name, rows: first..<(first + count), into: part)
            if count < TileShape.tileRows { integers.initializeMemory(as: UInt8.self, repeating: 0) }
            for index in 0..<count {
                row.baseAddress!.update(from: rows.baseAddress! + index * shape.columns, count: shape.columns)
                for group in 0..<shape.groups {
                    let error = quantizeGroup(row, group, tile: tile, row: index, into: integers)
                    guard error.squaredWeight.isFinite, error.squaredError.isFinite else { throw notFinite(checkpoint, name, row: first + index) }
                    total = total + error
                }
            }
            store(integers, tile: tile)
        }
        return total
    }

    private func notFinite(_ checkpoint: any Checkpoint, _ name: String, row: Int) -> CheckpointError {
        CheckpointError(
            .malformed, file: checkpoint.path, field: "tensor \"\(printable(name.utf8))\"",
            byteOffset: checkpoint.tensor(named: name)?.fileOffset,
            detail: "row \(row) holds a weight that is not a finite number, or too large for int8 groups")
    }

    /// A whole tile, packed when the shape asks for fewer bits.
    private func store(_ integers: UnsafeMutableRawBufferPointer, tile: Int) {
        let byteCount = shape.valueByteCount / (shape.paddedRows / TileShape.tileRows)
        let out = UnsafeMutableRawBufferPointer(rebasing: values[(tile * byteCount)..<((tile + 1) * byteCount)])
        guard shape.bits < .eight else { return out.copyMemory(from: UnsafeRawBufferPointer(integers)) }
        Kernels.packChunks(
            integers.baseAddress!.assumingMemoryBound(to: Int8.self), chunks: integers.count / 64, bits: shape.bits,
            into: out.baseAddress!.assumingMemoryBound(to: UInt8.self))
    }

    private func store(scale: Float16, tile: Int, group: Int, row: Int) {
        scales.storeBytes(
            of: scale.bitPattern, toByteOffset: ((tile * shape.groups + group) * 16 + row) * 2, as: UInt16.self)
    }

    private func quantizeGroup(
        _ row: UnsafeMutableBufferPointer<Float>, _ group: Int, tile: Int, row index: Int,
        into tileIntegers: UnsafeMutableRawBufferPointer
    ) -> QuantizationError {
        let size = shape.group
        return withUnsafeTemporaryAllocation(of: Int8.self, capacity: size) { integers in
            let result = kernels.quantizeWeights(row.baseAddress! + group * size, group: size, bits: shape.bits, into: integers.baseAddress!)
            store(scale: Float16(bitPattern: result.scale), tile: tile, group: group, row: index)
            let packed = UnsafeRawBufferPointer(integers)
            for chunk in 0..<(size / 4) {
                let four = packed.loadUnaligned(fromByteOffset: chunk * 4, as: UInt32.self)
                tileIntegers.storeBytes(of: four, toByteOffset: (group * (size / 4) + chunk) * 64 + index * 4, as: UInt32.self)
            }
            return QuantizationError(
                squaredError: Double(result.squaredError), squaredWeight: Double(result.squaredWeights),
                largest: Double(result.largestError))
        }
    }

    /// Takes over integers that the checkpoint stores; nil when it has none that fit.
    private func copyIntegers(
        _ tiles: Range<Int>, from checkpoint: any Checkpoint, tensor name: String
    ) throws(CheckpointError) -> QuantizationError? {
        guard shape.columns % shape.group == 0 else { return nil }
        var total = QuantizationError()
        let integers = UnsafeMutableRawBufferPointer.allocate(
            byteCount: TileShape.tileRows * shape.paddedColumns, alignment: 64)
        defer { integers.deallocate() }
        // Many rows at once: some formats store columns one after the other.
        for first in stride(from: tiles.lowerBound, to: tiles.upperBound, by: 16) {
            let some = first..<min(first + 16, tiles.upperBound)
            let rows = (some.lowerBound * TileShape.tileRows)..<min(some.upperBound * TileShape.tileRows, shape.rows)
            guard let found = try checkpoint.integerRows(of: name, rows: rows, shape: shape) else { return nil }
            if let bad = found.scales.firstIndex(where: { !$0.isFinite }) {
                throw notFinite(checkpoint, name, row: rows.lowerBound + bad / shape.groups)
            }
            total.clamped += found.clamped
            for tile in some { copy(found, firstRow: rows.lowerBound, tile: tile, through: integers) }
        }
        return total
    }

    private func copy(_ found: IntegerRows, firstRow: Int, tile: Int, through integers: UnsafeMutableRawBufferPointer) {
        integers.initializeMemory(as: UInt8.self, repeating: 0)
        let first = tile * TileShape.tileRows
        for row in first..<min(first + TileShape.tileRows, shape.rows) {
            let (source, place) = (row - firstRow, row - first)
            for group in 0..<shape.groups {
                store(scale: found.scales[source * shape.groups + group], tile: tile, group: group, row: place)
            }
            for column in 0..<shape.columns {
                integers.storeBytes(
                    of: found.values[source * shape.columns + column], toByteOffset: column / 4 * 64 + place * 4 + column % 4,
                    as: Int8.self)
            }
        }
        store(integers, tile: tile)
    }
}
