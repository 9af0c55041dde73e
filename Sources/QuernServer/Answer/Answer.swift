// One answer: the generations behind it and the form in which it is told, whole or streamed.
//
// Invariant: what is counted and logged is the same for both.
import Hummingbird
import Logging
import NIOCore
import Quern
import QuernAPI
import QuernEngine

struct Answer<Form: AnswerForm>: Sendable {
    let group: ChoiceGroup
    /// Before the first event.
    let form: Form
    /// Generations of the group.
    let count: Int
    let recorder: AnswerRecorder

    /// Waits for all generations.
    func whole() async throws -> Response {
        var form = form
        var open = count
        for await item in group.events {
            guard case .of(let choice, let event) = item else { continue }
            if case .failed(let error) = event { throw recorder.failed(error) }
            _ = form.add(event, of: choice)
            if recorder.note(event) { open -= 1 }
        }
        guard open == 0 else {
            recorder.abandoned()
            throw CancellationError()
        }
        return Response(form.whole)
    }
}

/// Log and metrics of the sequences of one answer.
struct AnswerRecorder: Sendable {
    let logger: Logger
    let metrics: Metrics

    /// True when `event` ends a generation.
    func note(_ event: TextEvent) -> Bool {
        guard case .finished(let reason, let usage, let timings) = event else { return false }
        finished(reason, usage, timings)
        return true
    }

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
