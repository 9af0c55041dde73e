// Times one matrix product with scales shared by 64 and by 32 columns.
//
// Owns: the two problems. Does not own: what the ratio is used for (Rates). Invariant: both are timed in turns, so that the ratio
// holds however fast the host is at the moment.
import QuernTensor

final class GroupProbe {
    private static let size = 1024
    private static let turns = 5

    private let kernels: Kernels
    private let pool: WorkerPool
    private let arena = Arena()
    private let x: Floats
    private let y: Floats
    private let activations: Activations
    private let matrices: [QuantizedMatrix]
    private let tokens: Int

    init(tokens: Int, threads: Int, instructionSet: InstructionSet) throws {
        self.tokens = tokens
        kernels = Kernels(instructionSet)
        pool = try WorkerPool(threads: threads)
        x = try arena.floats(tokens * Self.size)
        y = try arena.floats(tokens * Self.size)
        for index in 0..<x.count { x[index] = Float(index % 61) / 61 - 0.5 }
        activations = try Activations(tokens: tokens, columns: Self.size, in: arena)
        // Weights of zero take as long as others.
        var matrices: [QuantizedMatrix] = []
        for group in [64, 32] {
            matrices.append(try QuantizedMatrix(TileShape(rows: Self.size, columns: Self.size, group: group), in: arena))
        }
        self.matrices = matrices
    }

    /// Speed by 32, of that by 64.
    func share() -> Double {
        var best = [Double](repeating: .infinity, count: matrices.count)
        for _ in 0..<Self.turns {
            for (index, matrix) in matrices.enumerated() { best[index] = min(best[index], seconds(matrix)) }
        }
        return best[0] / best[1]
    }

    private func seconds(_ matrix: QuantizedMatrix) -> Double {
        kernels.quantize(
            x, stride: Self.size, tokens: tokens, columns: Self.size, group: matrix.shape.group, into: activations, pool: pool)
        let start = ContinuousClock.now
        kernels.multiply(activations, tokens: tokens, Projection(matrix, into: y, stride: Self.size), pool: pool)
        return (ContinuousClock.now - start) / .seconds(1)
    }
}
