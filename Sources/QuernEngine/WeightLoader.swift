// Brings named tensors of a checkpoint into memory in the precision the engine was asked for.
//
// Owns: the arena of all weights. Does not own: file formats (QuernCheckpoint), which tensors a model has (Architectures/).
// Invariant: every shape is compared with the configuration before a byte is read, so a forward pass has no error path.
import QuernCheckpoint
import QuernModel
import QuernTensor

final class WeightLoader {
    let arena = Arena()
    private(set) var loadedByteCount = 0
    private let checkpoint: any Checkpoint
    private let precision: Precision
    private let group: Int
    private let threads: Int
    private let progress: @Sendable (Double) -> Void
    private let totalElements: Int
    private var loadedElements = 0

    init(
        _ checkpoint: any Checkpoint, precision: Precision, threads: Int,
        progress: @escaping @Sendable (Double) -> Void
    ) {
        self.checkpoint = checkpoint
        self.precision = precision
        self.threads = threads
        self.progress = progress
        group = (checkpoint as? Archive)?.groupSize ?? GroupSize.automatic.resolved(for: checkpoint)
        totalElements = max(1, checkpoint.config.parameterCount)
    }

    /// Columns per scale of the int8 weights.
    var groupSize: Int { group }

    /// A projection [rows, columns], with the bias of that name if one is given.
    func linear(_ name: String, rows: Int, columns: Int, bias: String? = nil) throws -> Linear {
        try require(name, shape: [rows, columns])
        let weights: Linear.Weights
        switch precision {
        case .int8:
            let matrix = try QuantizedMatrix(TileShape(rows: rows, columns: columns, group: group), in: arena)
            if let archive = checkpoint as? Archive {
                try archive.readInt8(name, values: matrix.valueBytes, scales: matrix.scaleBytes)
            } else {
                try Quantizer.quantize(
                    checkpoint, tensor: name, shape: matrix.shape, values: matrix.valueBytes,
                    scales: matrix.scaleBytes, threads: threads)
            }
            weights = .int8(matrix)
            loadedByteCount += matrix.byteCount
        case .float32:
            let matrix = try FloatMatrix(rows: rows, columns: columns, in: arena)
            try checkpoint.readRows(of: name, rows: 0..<rows, into: matrix.values.buffer)
            weights = .float32(matrix)
            loadedByteCount += rows * columns * 4
        }
        advance(rows * columns)
        return Linear(weights: weights, bias: try bias.map { try vector($0, count: rows) })
    }

    /// A vector of `count` floats: a norm weight or a bias.
    func vector(_ name: String, count: Int) throws -> Floats {
        try require(name, shape: [count])
        let floats = try arena.floats(count)
        try checkpoint.readRows(of: name, rows: 0..<1, into: floats.buffer)
        loadedByteCount += count * 4
        advance(count)
        return floats
    }

    private func require(_ name: String, shape: [Int]) throws {
        guard let tensor = checkpoint.tensor(named: name) else {
            throw CheckpointError(
                .inconsistent, file: checkpoint.path, field: "tensor \(name)", detail: "is missing from the checkpoint")
        }
        guard tensor.shape == shape else {
            throw CheckpointError(
                .inconsistent, file: checkpoint.path, field: "tensor \(name)",
                detail: "has shape \(tensor.shape), the configuration asks for \(shape)")
        }
    }

    private func advance(_ elements: Int) {
        loadedElements += elements
        progress(min(1, Double(loadedElements) / Double(totalElements)))
    }
}
