// The events of one request as text.
//
// Owns: detokenizing, stop strings, ending calls in a loop, and waiting for the pace of a device. Does not own: what a loop is
// (AnswerParser). Invariants: never half a scalar, never a part of a stop string; exactly one terminal event (`finished` or
// `failed`), last; ending the iteration early cancels the request.
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
    let parser: AnswerParser?
    let device: TargetDevice?

    /// Ends the request at the next step.
    public func cancel() { engine.cancel(id) }

    public func makeAsyncIterator() -> Iterator {
        Iterator(
            id: id, events: events.makeAsyncIterator(), engine: engine, promptCount: promptCount,
            detokenizer: detokenizer, filter: StopFilter(stop), parser: parser, device: device)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let id: UInt64
        var events: AsyncStream<GenerationEvent>.Iterator
        let engine: Engine
        let promptCount: Int
        var detokenizer: Detokenizer?
        var filter: StopFilter
        var parser: AnswerParser?
        let device: TargetDevice?
        private var pace: Pace?
        private var isStopped = false
        private var tokenCount = 0
        private var pending: TextEvent?

        init(
            id: UInt64, events: AsyncStream<GenerationEvent>.Iterator, engine: Engine, promptCount: Int,
            detokenizer: Detokenizer?, filter: StopFilter, parser: AnswerParser?, device: TargetDevice?
        ) {
            self.id = id
            self.events = events
            self.engine = engine
            self.promptCount = promptCount
            self.detokenizer = detokenizer
            self.filter = filter
            self.parser = parser
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
                    pending = stop.map { .stopped(by: $0) }
                    isStopped = stop != nil || isLoop(with: text)
                    if isStopped { engine.cancel(id) }
                    return .text(text, tokens: [token])
                case .finished(let reason, var usage, let timings):
                    // The engine may have been some tokens ahead.
                    if isStopped { usage.completionTokens = tokenCount }
                    let rest = isStopped ? "" : remainder()
                    let end = TextEvent.finished(isStopped || isLoop(with: rest) ? .stop : reason, usage, timings)
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

        /// Whether further text is the end of calls in a loop.
        private mutating func isLoop(with text: String) -> Bool {
            _ = parser?.append(text)
            return parser?.isLooping == true
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
