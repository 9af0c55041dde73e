// How good a model's predictions are on a text, and how far int8 is from a reference.
//
// Text is cut into chunks of equal length; only the second half of each chunk is judged, so that every prediction has
// context. This is the convention of llama.cpp's perplexity tool, and the figures compare with it.
// Owns: the statistics. Invariant: sums run in double precision over the ids the tokenizer knows.
import Foundation
import QuernEngine
import QuernTokenizer

/// Perplexity of one model.
public struct PerplexityReport: Sendable, Equatable {
    public var judgedTokens = 0
    /// e to the mean negative log-likelihood.
    public var perplexity = 0.0
}

/// A model against a reference on the same tokens.
public struct DivergenceReport: Sendable, Equatable {
    public var judgedTokens = 0
    /// Kullback–Leibler divergence of the reference from the model, in nats.
    public var meanKL = 0.0
    public var kl99 = 0.0
    public var maxKL = 0.0
    /// Share of positions where both put the same token first.
    public var sameTop1 = 0.0
    public var perplexity = 0.0
    public var referencePerplexity = 0.0
}

/// A corpus as token chunks.
public struct EvaluationCorpus: Sendable {
    public let chunks: [[TokenID]]

    /// - Parameters:
    ///   - chunkLength: tokens per chunk, at least 4.
    ///   - limit: most chunks to take; nil takes all that are full.
    /// - Throws: `RequestError.invalid` when the text does not fill one chunk.
    public init(_ text: [UInt8], tokenizer: Tokenizer, chunkLength: Int, limit: Int?) throws(RequestError) {
        precondition(chunkLength >= 4)
        var tokens: [TokenID] = []
        text.withUnsafeBufferPointer { tokenizer.encode(utf8: $0, parseSpecial: false, into: &tokens) }
        let count = min(limit ?? .max, tokens.count / chunkLength)
        guard count > 0 else {
            throw .invalid(param: "corpus", message: "the corpus has \(tokens.count) tokens; one chunk needs \(chunkLength)")
        }
        chunks = (0..<count).map { index in
            var chunk = Array(tokens[(index * chunkLength)..<((index + 1) * chunkLength)])
            if tokenizer.addsBOS, let bos = tokenizer.bosTokenID { chunk[0] = bos }
            return chunk
        }
    }
}

extension EvaluationCorpus {
    /// Positions whose next token is judged.
    private func judged(_ chunk: [TokenID]) -> Range<Int> { (chunk.count / 2)..<(chunk.count - 1) }

    /// - Parameter progress: fraction of the chunks done.
    public func perplexity(of model: LoadedModel, progress: (Double) -> Void = { _ in }) throws -> PerplexityReport {
        var report = PerplexityReport()
        var loss = 0.0
        for (index, chunk) in chunks.enumerated() {
            let rows = try model.logits(tokens: chunk, positions: Set(judged(chunk)))
            for (position, row) in zip(judged(chunk), rows) {
                loss -= LogProbabilities(row, count: model.info.vocabularySize)[Int(chunk[position + 1])]
                report.judgedTokens += 1
            }
            progress(Double(index + 1) / Double(chunks.count))
        }
        report.perplexity = exp(loss / Double(report.judgedTokens))
        return report
    }

    /// - Precondition: both models have the tokenizer the corpus was made with.
    public func divergence(
        of model: LoadedModel, from reference: LoadedModel, progress: (Double) -> Void = { _ in }
    ) throws -> DivergenceReport {
        var report = DivergenceReport()
        var (loss, referenceLoss, sameTop) = (0.0, 0.0, 0)
        var divergences: [Double] = []
        let count = min(model.info.vocabularySize, reference.info.vocabularySize)
        for (index, chunk) in chunks.enumerated() {
            let positions = Set(judged(chunk))
            let expected = try reference.logits(tokens: chunk, positions: positions)
            let found = try model.logits(tokens: chunk, positions: positions)
            for (position, (p, q)) in zip(judged(chunk), zip(expected, found)) {
                let (p, q) = (LogProbabilities(p, count: count), LogProbabilities(q, count: count))
                let next = Int(chunk[position + 1])
                referenceLoss -= p[next]
                loss -= q[next]
                if p.best == q.best { sameTop += 1 }
                divergences.append(p.divergence(to: q))
            }
            progress(Double(index + 1) / Double(chunks.count))
        }
        divergences.sort()
        let judgedCount = Double(divergences.count)
        report.judgedTokens = divergences.count
        report.meanKL = divergences.reduce(0, +) / judgedCount
        report.kl99 = divergences[min(divergences.count - 1, Int(judgedCount * 0.99))]
        report.maxKL = divergences.last ?? 0
        report.sameTop1 = Double(sameTop) / judgedCount
        report.perplexity = exp(loss / judgedCount)
        report.referencePerplexity = exp(referenceLoss / judgedCount)
        return report
    }
}

/// Log-softmax of one row of logits.
private struct LogProbabilities {
    private let logits: ArraySlice<Float>
    private let normalizer: Double
    let best: Int

    init(_ row: [Float], count: Int) {
        logits = row[..<min(count, row.count)]
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        let top = Double(logits[best])
        normalizer = top + log(logits.reduce(0.0) { $0 + exp(Double($1) - top) })
        self.best = best
    }

    subscript(token: Int) -> Double { Double(logits[token]) - normalizer }

    /// Σ p (log p − log q) with self as p.
    func divergence(to other: LogProbabilities) -> Double {
        var sum = 0.0
        for token in logits.indices {
            let p = self[token]
            if p > -40 { sum += exp(p) * (p - other[token]) }     // e^-40 of anything a float can hold is nothing
        }
        return sum
    }
}
