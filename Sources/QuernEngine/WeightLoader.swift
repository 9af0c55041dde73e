// Brings named tensors of a checkpoint into memory in the precision the engine was asked for.
//
// Owns: the arena of all weights. Does not own: file formats (QuernCheckpoint), which tensors a model has (Architectures/).
// Invariants: shapes come from the checkpoint, which compared them with the configuration when it was opened; nothing is
// complete before `finish`.
import Dispatch
import QuernCheckpoint
import QuernModel
import QuernTensor
import Synchronization

final class WeightLoader {
    let arena = Arena()
    private(set) var loadedByteCount = 0
    /// Of all matrices: the multiply-accumulates that one token needs.
    private(set) var loadedWeightCount = 0
    private let checkpoint: any Checkpoint
    private let precision: Precision
    private let bits: WeightBits
    private let group: Int
    private let threads: Int
    private let progress: @Sendable (Double) -> Void
    private let totalElements: Int
    private var loadedElements = 0
    /// Matrices of an archive, read together at the end: reading is copying and checking, which every thread can share.
    private var deferred: [DeferredRead] = []

    private struct DeferredRead: Sendable {
        let name: String
        let matrix: QuantizedMatrix
    }

    init(
        _ checkpoint: any Checkpoint, precision: Precision, bits: WeightBits, threads: Int,
        progress: @escaping @Sendable (Double) -> Void
    ) {
        self.checkpoint = checkpoint
        self.precision = precision
        self.bits = bits
        self.threads = threads
        self.progress = progress
        group = Engine.groupSize(checkpoint, bits: bits)
        totalElements = max(1, checkpoint.config.parameterCount)
    }

    /// Columns per scale of quantised weights.
    var groupSize: Int { group }

    /// The projection `name`.weight [rows, columns], with `name`.bias where the architecture has one.
    ///
    /// - Parameter used: how many of the parts that its rows consist of one token passes through.
    func linear(_ base: String, used: (parts: Int, of: Int) = (1, 1)) throws -> Linear {
        let name = base + ".weight"
        let (rows, columns) = (try tensor(name).rows, try tensor(name).columns)
        loadedWeightCount += rows / used.of * used.parts * columns
        let weights: Linear.Weights
        switch precision {
        case .int8, .int8Fast:
            let shape = (checkpoint as? Archive)?.tiles(of: name)
                ?? .packed(named: name, rows: rows, columns: columns, group: group, bits: bits)
            let matrix = try QuantizedMatrix(shape, in: arena)
            if checkpoint is Archive {
                deferred.append(DeferredRead(name: name, matrix: matrix))
            } else {
                try Quantizer.quantize(
                    checkpoint, tensor: name, shape: matrix.shape, values: matrix.valueBytes,
                    scales: matrix.scaleBytes, threads: threads)
                advance(rows * columns)
            }
            weights = .int8(matrix)
            loadedByteCount += matrix.byteCount / used.of * used.parts
        case .float32:
            let matrix = try FloatMatrix(rows: rows, columns: columns, in: arena)
            try checkpoint.readRows(of: name, rows: 0..<rows, into: matrix.values.buffer)
            weights = .float32(matrix)
            loadedByteCount += rows / used.of * used.parts * columns * 4
            advance(rows * columns)
        }
        return Linear(weights: weights, bias: checkpoint.tensor(named: base + ".bias") == nil ? nil : try vector(base + ".bias"))
    }

    /// The factors of a norm.
    func norm(_ name: String, _ style: NormStyle) throws -> Floats {
        let factors = try vector(name)
        if style == .zeroCentred { for index in 0..<factors.count { factors[index] += 1 } }
        return factors
    }

    /// A small matrix that stays in floats.
    func matrix(_ name: String) throws -> FloatMatrix {
        let info = try tensor(name)
        let matrix = try FloatMatrix(rows: info.rows, columns: info.columns, in: arena)
        try checkpoint.readRows(of: name, rows: 0..<info.rows, into: matrix.values.buffer)
        loadedByteCount += info.elementCount * 4
        advance(info.elementCount)
        return matrix
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

    /// Reads what was put off, in parallel. Throws the first error.
    func finish() throws {
        guard let archive = checkpoint as? Archive, !deferred.isEmpty else { return }
        // The largest first, so that no thread is left with a big one at the end.
        let jobs = deferred.sorted { $0.matrix.byteCount > $1.matrix.byteCount }
        let next = Atomic<Int>(0)
        let state = Mutex<(failure: CheckpointError?, elements: Int)>((nil, loadedElements))
        DispatchQueue.concurrentPerform(iterations: min(threads, jobs.count)) { [progress, totalElements] _ in
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < jobs.count, state.withLock({ $0.failure == nil }) else { return }
                let matrix = jobs[index].matrix
                do throws(CheckpointError) {
                    try archive.readTiles(jobs[index].name, values: matrix.valueBytes, scales: matrix.scaleBytes)
                } catch {
                    state.withLock { $0.failure = $0.failure ?? error }
                }
                let done = state.withLock { state in
                    state.elements += matrix.shape.rows * matrix.shape.columns
                    return state.elements
                }
                progress(min(1, Double(done) / Double(totalElements)))
            }
        }
        deferred = []
        if let failure = state.withLock({ $0.failure }) { throw failure }
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
