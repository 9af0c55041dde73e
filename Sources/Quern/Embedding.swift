// Texts as vectors: the pooled final hidden states of a decoder.
import QuernEngine
import QuernModel

/// The vector of one text, of length one.
public struct Embedding: Sendable {
    public var vector: [Float]
    public var usage: Usage
    public var timings: Timings
}

extension LoadedModel {
    /// Encodes and checks a text to embed.
    public func prepareEmbedding(
        _ prompt: Prompt, pooling: Pooling, priority: Priority, domain: CacheDomain
    ) throws(RequestError) -> PreparedRequest {
        var generation = GenerationRequest(
            prompt: try encode(prompt), maxTokens: 0, stopTokens: [], sampling: SamplingParameters())
        generation.pooling = pooling
        generation.priority = priority
        generation.domain = domain
        do {
            try engine.validate(generation)
        } catch {
            throw RequestError(error)
        }
        return PreparedRequest(generation: generation, stop: [], parser: nil)
    }

    /// Computes the vector of a request from `prepareEmbedding`; cancelling the task cancels the request.
    public func embed(_ request: PreparedRequest) async throws(RequestError) -> Embedding {
        let events: AsyncStream<GenerationEvent>
        do {
            events = try engine.submit(request.generation).events
        } catch {
            throw RequestError(error)
        }
        var vector: [Float] = []
        for await event in events {
            switch event {
            case .embedding(let values): vector = values
            case .finished(.cancelled, _, _): throw .shuttingDown
            case .finished(_, let usage, let timings): return Embedding(vector: vector, usage: usage, timings: timings)
            case .failed(let error): throw RequestError(error)
            case .started, .progress, .promptLogprobs, .logprobs, .computed, .token: break
            }
        }
        throw .shuttingDown     // the stream ended with its task
    }

    /// Numbers in a vector.
    public var embeddingWidth: Int { engine.info.config.hiddenSize }
}
