// The token embedding: a row lookup at the input and, for tied models, the language-model head at the output.
import QuernTensor

struct Embedding {
    let matrix: Linear      // [vocabularySize, hiddenSize]

    /// Copies the embedding of every token of the step into the residual stream.
    func lookUp(_ step: borrowing StepBatch, compute: Compute) {
        let width = matrix.columns
        for index in 0..<step.count {
            let out = compute.hidden.slice(from: index * width, count: width)
            let token = Int(step.tokens[index])
            switch matrix.weights {
            case .int8(let weights): compute.kernels.row(token, of: weights, into: out)
            case .float32(let weights):
                let row = weights.values.slice(from: token * width, count: width)
                for column in 0..<width { out[column] = row[column] }
            }
        }
    }
}
