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
                recorder.finished(reason, usage, timings)
                measured.add(Measurements(usage, timings), sharesPrompt: choice % countPerPrompt != 0)
                open -= 1
            }
        }
        guard open == 0 else {
            recorder.abandoned()
            throw CancellationError()
        }
        return Response(response.whole(choices, measured))
    }
}

/// Log and metrics of the sequences of one answer.
struct AnswerRecorder: Sendable {
    let logger: Logger
    let metrics: Metrics

    func finished(_ reason: FinishReason, _ usage: Usage, _ timings: Timings) {
        logger.logCompletion(reason, usage, timings)
        metrics.record(reason, usage, timings)
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
