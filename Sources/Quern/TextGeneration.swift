// The events of one request as text.
//
// Owns: detokenizing, stop strings, and waiting for the pace of a device. Invariants: never half a scalar, never a part of a
// stop string; exactly one terminal event (`finished` or `failed`), last; ending the iteration early cancels the request.
import QuernEngine
import QuernTokenizer

public enum TextEvent: Sendable {
    case started(promptTokens: Int, cachedTokens: Int)
    /// So many of the prompt's tokens are computed.
    case progress(Int)
    /// Of the prompt's tokens but the first, once the whole prompt is computed.
    case promptLogprobs([TokenLogprobs])
    /// Of the next token; comes before its text. A token that ends the completion has log-probabilities and no text.
    case logprobs(TokenLogprobs)
    /// New text, and the tokens it came from; the text may be empty while a character is incomplete.
    case text(String, tokens: [TokenID])
    /// This stop string came, which is the end of the text.
    case stopped(by: String)
    case finished(FinishReason, Usage, Timings)
    case failed(RequestError)
}

public struct TextGeneration: AsyncSequence, Sendable {
    public typealias Element = TextEvent
    public typealias Failure = Never

    let id: UInt64
    let events: AsyncStream<GenerationEvent>
    let engine: Engine
    let promptCount: Int
    let detokenizer: Detokenizer?
    let stop: [String]
    let device: TargetDevice?

    /// Ends the request at the next step.
    public func cancel() { engine.cancel(id) }

    public func makeAsyncIterator() -> Iterator {
        Iterator(
            id: id, events: events.makeAsyncIterator(), engine: engine, promptCount: promptCount,
            detokenizer: detokenizer, filter: StopFilter(stop), device: device)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let id: UInt64
        var events: AsyncStream<GenerationEvent>.Iterator
        let engine: Engine
        let promptCount: Int
        var detokenizer: Detokenizer?
        var filter: StopFilter
        let device: TargetDevice?
        private var pace: Pace?
        private var isStopped = false
        private var tokenCount = 0
        private var pending: TextEvent?

        init(
            id: UInt64, events: AsyncStream<GenerationEvent>.Iterator, engine: Engine, promptCount: Int,
            detokenizer: Detokenizer?, filter: StopFilter, device: TargetDevice?
        ) {
            self.id = id
            self.events = events
            self.engine = engine
            self.promptCount = promptCount
            self.detokenizer = detokenizer
            self.filter = filter
            self.device = device
        }

        public mutating func next() async -> TextEvent? { await next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> TextEvent? {
            if let event = pending {
                pending = nil
                return event
            }
            while let event = await events.next(isolation: actor) {
                switch event {
                case .started(let cached):
                    pace = Pace(start: .now)
                    return .started(promptTokens: promptCount, cachedTokens: cached)
                case .progress(let count):
                    return .progress(count)
                case .promptLogprobs(let list):
                    return .promptLogprobs(list)
                case .logprobs(let logprobs):
                    if isStopped { continue }
                    return .logprobs(logprobs)
                case .computed(let work):
                    // A cancelled task does not wait.
                    if !isStopped, let due = due(after: work) { try? await Task.sleep(until: due, clock: .continuous) }
                case .token(let token):
                    if isStopped { continue }
                    tokenCount += 1
                    let (text, stop) = filter.append(detokenizer?.append(token) ?? "")
                    if let stop {
                        isStopped = true
                        pending = .stopped(by: stop)
                        engine.cancel(id)
                    }
                    return .text(text, tokens: [token])
                case .finished(let reason, var usage, let timings):
                    // The engine may have been some tokens ahead of the stop string.
                    if isStopped { usage.completionTokens = tokenCount }
                    let end = TextEvent.finished(isStopped ? .stop : reason, usage, timings)
                    let rest = isStopped ? "" : remainder()
                    guard !rest.isEmpty else { return end }
                    pending = end
                    return .text(rest, tokens: [])
                case .embedding: continue      // never asked for here
                case .failed(let error):
                    return .failed(RequestError(error))
                }
            }
            return nil
        }

        /// When the device would have done `work`.
        private mutating func due(after work: EngineWork) -> ContinuousClock.Instant? {
            guard let device else { return nil }
            return pace?.next(after: device.seconds(work), now: .now)
        }

        /// The incomplete character and the held-back text, at the end of the completion.
        private mutating func remainder() -> String {
            let (text, stop) = filter.append(detokenizer?.finish() ?? "")
            return stop == nil ? text + filter.finish() : text
        }
    }
}
