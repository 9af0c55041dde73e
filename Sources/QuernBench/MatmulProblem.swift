// One matrix product, repeated over several copies of its weights so that few of its reads find them in a cache.
import QuernTensor

final class MatmulProblem {
    private let kernels: Kernels
    private let pool: WorkerPool
    private let copies: [QuantizedMatrix]
    private let x: Floats
    private let y: Floats
    private let activations: Activations
    private let arena = Arena()
    private let shape: TileShape
    private var next = 0

    init(rows: Int, columns: Int, group: Int, maxTokens: Int, threads: Int, set: InstructionSet) throws {
        kernels = Kernels(set)
        pool = try WorkerPool(threads: threads)
        shape = TileShape(rows: rows, columns: columns, group: group)
        let cold = 256 << 20
        var copies: [QuantizedMatrix] = []
        for number in 0..<max(1, min(400, cold / shape.valueByteCount)) {
            let matrix = try QuantizedMatrix(shape, in: arena)
            var state = UInt32(truncatingIfNeeded: number + 1)
            for index in 0..<matrix.valueBytes.count {
                state = state &* 1_664_525 &+ 1_013_904_223
                matrix.valueBytes[index] = UInt8(truncatingIfNeeded: max(1, state >> 24))    // 0x80 is no weight
                if matrix.valueBytes[index] == 0x80 { matrix.valueBytes[index] = 0 }
            }
            let scales = matrix.scaleBytes.bindMemory(to: UInt16.self)
            for index in 0..<scales.count { scales[index] = Float16(0.01).bitPattern }
            copies.append(matrix)
        }
        self.copies = copies
        x = try arena.floats(maxTokens * columns)
        for index in 0..<x.count { x[index] = Float(index % 61) / 61 - 0.5 }
        y = try arena.floats(maxTokens * rows)
        activations = try Activations(tokens: maxTokens, columns: columns + 64, in: arena)
    }

    var weightBytes: Int { shape.valueByteCount + shape.scaleCount * 2 }

    /// The median over rounds; a round lasts at least some milliseconds.
    func secondsPerProduct(tokens: Int, rounds: Int) -> Double {
        kernels.quantize(x, stride: shape.columns, tokens: tokens, columns: shape.columns, group: shape.group, into: activations, pool: pool)
        let work = Double(shape.rows * shape.columns) * Double(max(8, tokens))
        let repeats = max(1, min(2 * copies.count, Int(4e9 / work)))
        multiply(tokens)
        let times = (0..<rounds).map { _ in
            let start = ContinuousClock.now
            for _ in 0..<repeats { multiply(tokens) }
            return (ContinuousClock.now - start) / .seconds(1) / Double(repeats)
        }
        return times.sorted()[times.count / 2]
    }

    private func multiply(_ tokens: Int) {
        next = (next + 1) % copies.count
        kernels.multiply(activations, tokens: tokens, Projection(copies[next], into: y, stride: shape.rows), pool: pool)
    }
}
