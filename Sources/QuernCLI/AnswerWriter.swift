// Streams an answer to stdout and its speed to stderr.
import Foundation
import QuernEngine
import QuernJSON
import Synchronization

final class AnswerWriter: Sendable {
    private struct State {
        var endsWithNewline = true
        var isClosed = false
        var timings: JSONValue?
    }

    private let state = Mutex(State())

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// The daemon's `timings` object, once it came.
    var timings: JSONValue? {
        get { state.withLock { $0.timings } }
        set { state.withLock { $0.timings = newValue } }
    }

    func write(_ text: String) throws -> StandardOutput.Outcome {
        guard !text.isEmpty else { return .written }
        let outcome = try StandardOutput.write(Terminal.escaped(text))
        state.withLock { state in
            state.endsWithNewline = text.hasSuffix("\n")
            if outcome == .closed { state.isClosed = true }
        }
        return outcome
    }

    /// Ends the last line.
    func end() throws {
        let (needsNewline, isClosed) = state.withLock { (!$0.endsWithNewline, $0.isClosed) }
        if needsNewline && !isClosed { _ = try StandardOutput.write("\n") }
    }

    func report(usage: Usage, timings: Timings, model: String) {
        line(
            model: model, prompt: usage.promptTokens, promptMS: timings.promptMS, completion: usage.completionTokens,
            predictedMS: timings.predictedMS)
    }

    func reportDaemon(model: String) {
        guard let timings else { return }
        line(
            model: "\(model) (daemon)", prompt: Int(timings["prompt_n"]?.intValue ?? 0), promptMS: timings["prompt_ms"]?.doubleValue ?? 0,
            completion: Int(timings["predicted_n"]?.intValue ?? 0), predictedMS: timings["predicted_ms"]?.doubleValue ?? 0)
    }

    private func line(model: String, prompt: Int, promptMS: Double, completion: Int, predictedMS: Double) {
        func rate(_ count: Int, _ milliseconds: Double) -> Double { milliseconds > 0 ? Double(count) * 1000 / milliseconds : 0 }
        Terminal.note(
            String(
                format: "%@: %d prompt tokens at %.1f tok/s, %d generated at %.1f tok/s", model, prompt, rate(prompt, promptMS),
                completion, rate(max(0, completion - 1), predictedMS)))
    }
}

/// Set once by Ctrl-C.
final class InterruptFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}
