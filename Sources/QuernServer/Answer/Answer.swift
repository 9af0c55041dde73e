// One answer of chat completions or completions: its choices and how they are told, whole or streamed.
//
// Invariant: what is counted and logged is the same for both.
import Hummingbird
import Logging
import Quern
import QuernAPI
import QuernEngine
import QuernJSON

struct Answer: Sendable {
    let group: ChoiceGroup
    let response: CompletionResponse
    /// One per choice, before its first event.
    let assemblers: [ChoiceAssembler]
    /// Choices per prompt.
    let countPerPrompt: Int
    let recorder: AnswerRecorder

    /// Waits for all choices.
    func whole() async throws -> Response {
        var assemblers = assemblers
        var choices = assemblers.indices.map { ChoicePart(index: $0) }
        var measured = Measurements()
        var open = assemblers.count
        for await item in group.events {
            guard case .of(let choice, let event) = item else { continue }
            if case .failed(let error) = event { throw recorder.failed(error) }
            if let part = assemblers[choice].add(event) { choices[choice].append(part) }
            if case .finished(let reason, let usage, let timings) = event {
                measured.add(recorder.finished(reason, usage, timings), sharesPrompt: choice % countPerPrompt != 0)
                open -= 1
            }
        }
        guard open == 0 else {
            recorder.abandoned()
            throw CancellationError()
        }
        var whole = Response(response.whole(choices, measured))
        recorder.mark(&whole)
        return whole
    }
}

/// Log, metrics and measurements of the sequences of one answer.
struct AnswerRecorder: Sendable {
    let logger: Logger
    let metrics: Metrics
    /// Bytes per second that the device in use reads at most.
    var roofline: Double?
    /// What answers are compared with.
    var device: TargetDevice?

    @discardableResult func finished(_ reason: FinishReason, _ usage: Usage, _ timings: Timings) -> Measurements {
        // What generates nothing, as an embedding, has no rate.
        let measured = Measurements(usage, timings, roofline: roofline, device: usage.completionTokens > 0 ? device : nil)
        logger.logCompletion(reason, usage, timings)
        metrics.record(reason, usage, timings, measured)
        return measured
    }

    private static let simulated = HTTPFields.Element.Name("X-Quern-Simulated")

    /// Says in the head of an answer that its speed is a device's and not this host's.
    func mark(_ response: inout Response) {
        if device?.isPaced == true, let name = Self.simulated { response.headers[name] = "true" }
    }

    /// The client left before the end.
    func abandoned() {
        logger.info("client left")
        metrics.recordAbandoned()
    }

    func failed(_ error: RequestError) -> APIError {
        logger.error("generation failed", metadata: ["error": "\(error)"])
        return APIError(error)
    }
}
