// A request that only the queue can still refuse.
import QuernEngine

/// An encoded, validated request. Starting it several times, with other seeds, gives several answers to one prompt.
public struct PreparedRequest: Sendable {
    var generation: GenerationRequest
    let stop: [String]
    let parser: AnswerParser?

    public var promptTokens: [TokenID] { generation.prompt }

    /// The same with the seed of the answer numbered `index`: seeds count up, an absent one is drawn afresh.
    public func variant(_ index: Int) -> PreparedRequest {
        var copy = self
        copy.generation.sampling.seed = generation.sampling.seed.map { $0 &+ UInt64(index) }
        return copy
    }
}
