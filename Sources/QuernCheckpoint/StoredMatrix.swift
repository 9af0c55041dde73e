// One weight of a safetensors model as it is stored: plain, in 8-bit floats with block scales, or packed integers.
//
// Invariant: `shape` is that of the weight itself, [rows, columns] with rows as outputs, or [n]; reading checks nothing again.
import QuernTensor

/// A tensor and the file it is in.
struct FileTensor: Sendable {
    let file: RandomAccessFile
    let tensor: SafetensorsTensor

    /// Stacked matrices count as one below the other, which is how convolutions and experts come.
    var shape: [Int] {
        guard tensor.shape.count == 3 else { return tensor.shape }
        return [tensor.shape[0] * tensor.shape[1], tensor.shape[2]]
    }

    var field: String { "tensor \"\(printable(tensor.name.utf8))\"" }

    /// Reads `count` elements from element `start` on.
    func read(_ start: Int, into bytes: UnsafeMutableRawBufferPointer) throws(CheckpointError) {
        do throws(FileError) {
            try file.read(into: bytes, at: tensor.offset + start * tensor.type.byteCount)
        } catch {
            throw CheckpointError(error, file: file.path, field: field)
        }
    }

    /// The whole tensor as floats; needs a plain type.
    func floats() throws(CheckpointError) -> [Float] {
        guard let storage = tensor.type.storage else { throw unsupported("F32, F16, BF16") }
        var values = [Float](repeating: 0, count: tensor.shape.reduce(1, *))
        let result = values.withUnsafeMutableBufferPointer { buffer in
            Result { () throws(CheckpointError) in
                try readDecoded(file, storage, offset: tensor.offset, byteCount: tensor.byteCount, field: field, into: buffer)
            }
        }
        try result.get()
        return values
    }

    /// The whole tensor as integers.
    func integers() throws(CheckpointError) -> [Int32] {
        guard tensor.type == .i32 else { throw unsupported("I32") }
        var values = [Int32](repeating: 0, count: tensor.shape.reduce(1, *))
        let result = values.withUnsafeMutableBytes { bytes in
            Result { () throws(CheckpointError) in try read(0, into: bytes) }
        }
        try result.get()
        return values
    }

    func unsupported(_ known: String) -> CheckpointError {
        CheckpointError(
            .unsupported, file: file.path, field: "\(field)/dtype", detail: "is \(tensor.type.rawValue); supported: \(known)")
    }

    func requireShape(_ shape: [Int]) throws(CheckpointError) {
        guard tensor.shape != shape else { return }
        throw CheckpointError(
            .inconsistent, file: file.path, field: field, byteOffset: tensor.offset,
            detail: "shape \(tensor.shape), expected \(shape)")
    }
}

enum StoredMatrix: Sendable {
    case plain(FileTensor, StorageType)
    case float8(Float8Matrix)
    case packed(PackedMatrix)

    var shape: [Int] {
        switch self {
        case .plain(let tensor, _): tensor.shape
        case .float8(let matrix): matrix.values.shape
        case .packed(let matrix): [matrix.rows, matrix.columns]
        }
    }

    /// How it is stored, for people.
    var storage: String {
        switch self {
        case .plain(_, let type): type.name
        case .float8: "F8_E4M3"
        case .packed(let matrix): matrix.storage
        }
    }

    private var main: FileTensor {
        switch self {
        case .plain(let tensor, _): tensor
        case .float8(let matrix): matrix.values
        case .packed(let matrix): matrix.integers
        }
    }

    var byteCount: Int { main.tensor.byteCount }
    var fileOffset: Int { main.tensor.offset }

    /// - Precondition: `out.count` is the number of rows times the columns. A vector is one row.
    func readRows(_ rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) throws(CheckpointError) {
        switch self {
        case .plain(let tensor, let type):
            let rowBytes = (tensor.shape.last ?? 0) * type.bytesPerBlock
            try readDecoded(
                tensor.file, type, offset: tensor.tensor.offset + rows.lowerBound * rowBytes, byteCount: rows.count * rowBytes,
                field: tensor.field, into: out)
        case .float8(let matrix): try matrix.readRows(rows, into: out)
        case .packed(let matrix): try matrix.readRows(rows, into: out)
        }
    }
}
