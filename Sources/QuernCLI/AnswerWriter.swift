// Streams an answer to stdout and its speed to stderr.
import Foundation
import QuernJSON
import Synchronization

final class AnswerWriter: Sendable {
    private struct State {
        var text = ""
        var isClosed = false
    }

    private let state = Mutex(State())

    /// The reader has gone.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Everything written so far.
    var text: String { state.withLock { $0.text } }

    func write(_ piece: String) throws -> StandardOutput.Outcome {
        guard !piece.isEmpty else { return .written }
        let outcome = try StandardOutput.write(piece)
        state.withLock { state in
            state.text += piece
            if outcome == .closed { state.isClosed = true }
        }
        return outcome
    }

    /// Ends the last line.
    func end() throws {
        let needsNewline = state.withLock { !$0.text.isEmpty && !$0.text.hasSuffix("\n") && !$0.isClosed }
        if needsNewline { _ = try StandardOutput.write("\n") }
    }
}

extension Service {
    /// One line on stderr about an answer's speed.
    func report(_ timings: JSONValue) {
        let line = String(
            format: "%@%@: %d prompt tokens at %.1f tok/s, %d generated at %.1f tok/s", modelID, isDaemon ? " (daemon)" : "",
            Int(timings["prompt_n"]?.intValue ?? 0), timings["prompt_per_second"]?.doubleValue ?? 0,
            Int(timings["predicted_n"]?.intValue ?? 0), timings["predicted_per_second"]?.doubleValue ?? 0)
        Terminal.note(line + projection(timings))
    }

    /// What the named device would generate; empty when none was named.
    private func projection(_ timings: JSONValue) -> String {
        guard let projected = timings["projected"], let device = projected["device"]?.stringValue else { return "" }
        return String(
            format: "; %@: %.1f tok/s (%.1f to %.1f), bound by %@%@", device, projected["expected"]?.doubleValue ?? 0,
            projected["low"]?.doubleValue ?? 0, projected["high"]?.doubleValue ?? 0, projected["bottleneck"]?.stringValue ?? "",
            timings["simulated"] == true ? ", simulated" : "")
    }
}
