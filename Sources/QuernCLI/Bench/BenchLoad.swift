// What the bench makes a model do: prefill a prompt, or decode several sequences together, at some depth of context.
//
// Invariant: every token that is counted is computed. What stands before (the depth) is the same in every round, so that the
// prefix cache provides it; the tokens after it are drawn anew each time.
import Foundation
import Quern
import QuernEngine
import QuernMeasure
import QuernTensor

struct BenchLoad {
    let model: LoadedModel
    /// Separates the bench's cached prefixes from those of another process of this bench: a prompt measured before, even of
    /// random tokens, is never found again.
    private let salt = UInt64.random(in: 0 ... .max)

    init(model: LoadedModel) { self.model = model }

    private func tokens(_ count: Int, using random: inout some RandomNumberGenerator) -> [TokenID] {
        let limit = TokenID(clamping: min(model.info.vocabularySize, 10_000))
        return (0..<count).map { _ in TokenID.random(in: 0..<limit, using: &random) }
    }

    /// `depth` tokens that follow from `sequence`, then `fresh` random ones.
    private func request(depth: Int, fresh: Int, generating count: Int, sequence: Int = 0) -> TextRequest {
        var repeatable = RandomSource(seed: salt &+ UInt64(sequence))
        var random = SystemRandomNumberGenerator()
        let prompt = tokens(depth, using: &repeatable) + tokens(fresh, using: &random)
        var request = TextRequest(prompt: .tokens(prompt), maxTokens: count)
        request.sampling.temperature = 0
        request.ignoreEOS = true
        request.domain.salt = withUnsafeBytes(of: depth > 0 ? salt : random.next()) { [UInt8]($0) }
        return request
    }

    /// A measured rate and what a token cost.
    struct Sample {
        /// Tokens per second.
        let rate: Double
        let bytesPerToken: Double
    }

    /// Prompt tokens per second after `depth` others, the first answer token included.
    func prefill(_ count: Int, depth: Int) async throws -> Sample {
        if depth > 0 { _ = try await measure(request(depth: depth, fresh: 0, generating: 1)) }
        let before = model.statistics
        let (usage, timings) = try await measure(request(depth: depth, fresh: count, generating: 1))
        let steps = model.statistics.steps - before.steps
        let computed = usage.promptTokens - usage.cachedTokens
        guard computed <= count + 1 else {
            throw Failure.general("the key and value cache does not keep \(depth) tokens: a smaller --depth or another --kv is needed")
        }
        let info = model.info
        let weights = Double(steps * (info.weightBytes - info.headBytes) + info.headBytes)
        let cache = Double(steps * depth) * cacheBytesPerToken + Double(computed) * cacheBytesPerToken
        return Sample(rate: Double(computed) * 1000 / timings.promptMS, bytesPerToken: (weights + cache) / Double(computed))
    }

    private func measure(_ request: TextRequest) async throws -> (Usage, Timings) {
        for await event in try model.generate(request) {
            switch event {
            case .finished(_, let usage, let timings): return (usage, timings)
            case .failed(let error): throw error
            case .started, .progress, .promptLogprobs, .logprobs, .text, .stopped: break
            }
        }
        throw Failure.general("the engine stopped")
    }

    /// Keys and values of one token in all layers.
    private var cacheBytesPerToken: Double {
        let tokens = model.statistics.blockCount * KVStorage.blockSize
        return tokens > 0 ? Double(model.info.cacheBytes) / Double(tokens) : 0
    }

    /// Tokens per second of all sequences together, counted while all of them decode.
    func decode(_ count: Int, depth: Int, batch: Int) async throws -> Sample {
        let blocks = (max(1, depth) + count + KVStorage.blockSize - 1) / KVStorage.blockSize * batch
        guard model.statistics.blockCount == 0 || blocks <= model.statistics.blockCount else {
            throw Failure.general(
                "\(batch) sequences of \(depth + count) tokens need \(blocks) blocks of keys and values, the cache has "
                    + "\(model.statistics.blockCount): a smaller --batch or --depth, or --kv int8")
        }
        // From the prefix cache all begin together; prompts read beside decoding sequences would take longer than those last.
        for number in 0..<batch where depth > 0 {
            _ = try await measure(request(depth: depth, fresh: 0, generating: 1, sequence: number))
        }
        let times = try await withThrowingTaskGroup(of: [ContinuousClock.Instant].self) { group in
            for number in 0..<batch {
                // With a depth, its last token is the one that is computed first.
                let generation = try model.generate(
                    request(depth: depth, fresh: depth > 0 ? 0 : 1, generating: count, sequence: number))
                group.addTask {
                    var times: [ContinuousClock.Instant] = []
                    for await event in generation {
                        if case .text(_, let ids) = event, !ids.isEmpty { times.append(.now) }
                        if case .failed(let error) = event { throw error }
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        guard let start = times.compactMap(\.first).max(), let end = times.compactMap(\.last).min(),
            let first = times.compactMap(\.first).min(), let last = times.compactMap(\.last).max(), last > first
        else { throw Failure.general("the engine generated nothing") }
        // A model so small that its sequences do not overlap is timed from its first token to its last.
        let window = end > start ? (start, end) : (first, last)
        let counted = times.reduce(0) { sum, list in sum + list.count { $0 > window.0 && $0 <= window.1 } }
        let context = Double(depth) + Double(count) / 2
        return Sample(
            rate: Double(counted) / ((window.1 - window.0) / .seconds(1)),
            bytesPerToken: Double(model.info.weightBytes) / Double(batch) + context * cacheBytesPerToken)
    }
}
