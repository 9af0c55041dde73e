// Brings named tensors of a checkpoint into memory in the precision the engine was asked for.
//
// Owns: the arena of all weights. Does not own: file formats (QuernCheckpoint), which tensors a model has (Architectures/).
// Invariant: shapes come from the checkpoint, which compared them with the configuration when it was opened.
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

    /// The projection `name`.weight [rows, columns], with `name`.bias where the architecture has one.
    func linear(_ base: String) throws -> Linear {
        let name = base + ".weight"
        let (rows, columns) = (try tensor(name).rows, try tensor(name).columns)
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
        return Linear(weights: weights, bias: checkpoint.tensor(named: base + ".bias") == nil ? nil : try vector(base + ".bias"))
    }

    /// A vector: a norm weight or a bias.
    func vector(_ name: String) throws -> Floats {
        let count = try tensor(name).elementCount
        let floats = try arena.floats(count)
        try checkpoint.readRows(of: name, rows: 0..<1, into: floats.buffer)
        loadedByteCount += count * 4
        advance(count)
        return floats
    }

    private func tensor(_ name: String) throws -> TensorInfo {
        guard let tensor = checkpoint.tensor(named: name) else {
            throw CheckpointError(.inconsistent, file: checkpoint.path, field: "tensor \(name)", detail: "is missing")
        }
        return tensor
    }

    private func advance(_ elements: Int) {
        loadedElements += elements
        progress(min(1, Double(loadedElements) / Double(totalElements)))
    }
}
