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
            let measured = recorder.note(event)
            _ = form.add(event, of: choice, measured)
            if measured != nil { open -= 1 }
        }
        guard open == 0 else {
            recorder.abandoned()
            throw CancellationError()
        }
        var whole = Response(form.whole)
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

    /// What a generation took, when `event` ends it.
    func note(_ event: TextEvent) -> Measurements? {
        guard case .finished(let reason, let usage, let timings) = event else { return nil }
        return finished(reason, usage, timings)
    }

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
