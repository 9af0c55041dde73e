// What the bench makes a model do: prefill one long prompt, or decode several sequences together.
import Foundation
import Quern
import QuernEngine

struct BenchLoad {
    let model: LoadedModel

    /// Tokens of prompt before each sequence that decodes.
    private static let decodePrompt = 32

    private func request(prompt count: Int, generating tokens: Int, seed: Int = 0) -> TextRequest {
        let limit = min(model.info.vocabularySize, 10_000)
        let prompt = (0..<count).map { TokenID(truncatingIfNeeded: ($0 * 7 + seed * 131 + 11) % limit) }
        var request = TextRequest(prompt: .tokens(prompt), maxTokens: tokens)
        request.sampling.temperature = 0
        request.ignoreEOS = true
        // A prompt measured before must be computed again.
        request.domain.salt = withUnsafeBytes(of: UInt64.random(in: 0 ... .max)) { [UInt8]($0) }
        return request
    }

    /// Prompt tokens per second, first token included.
    func prefill(_ tokens: Int) async throws -> Double {
        for await event in try model.generate(request(prompt: tokens, generating: 1)) {
            switch event {
            case .finished(_, let usage, let timings): return Double(usage.promptTokens) * 1000 / timings.promptMS
            case .failed(let error): throw error
            case .started, .text: break
            }
        }
        throw Failure.general("the engine stopped")
    }

    /// Tokens per second of all sequences together, counted while all of them decode after prompts of `context` tokens.
    func decode(_ tokens: Int, batch: Int, context: Int = Self.decodePrompt) async throws -> Double {
        let times = try await withThrowingTaskGroup(of: [ContinuousClock.Instant].self) { group in
            for number in 0..<batch {
                let generation = try model.generate(request(prompt: context, generating: tokens, seed: number))
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
        return Double(counted) / ((window.1 - window.0) / .seconds(1))
    }
}
