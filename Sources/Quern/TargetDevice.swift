// The device that a model's answers are compared with and, if asked, slowed down to.
//
// Owns: the engine's work in the planner's terms, and the pace of one answer. Does not own: profiles and predictions
// (QuernPlanner), memory. Invariant: tokens are only ever delayed, never changed, and never by the engine: a paced answer's
// tokens wait in its own stream while everybody else's go on.
import QuernEngine
import QuernModel
import QuernPlanner
import Synchronization

public final class TargetDevice: Sendable {
    public let projection: DeviceProjection
    /// Tokens come no faster than they would from the device.
    public let isPaced: Bool
    /// All sequences of a step ask for the same work.
    private let last = Mutex<(work: EngineWork, seconds: Double)?>(nil)

    public init(_ projection: DeviceProjection, isPaced: Bool) {
        self.projection = projection
        self.isPaced = isPaced
    }

    /// Seconds the device would need for `work`.
    func seconds(_ work: EngineWork) -> Double {
        last.withLock { last in
            if let last, last.work == work { return last.seconds }
            let seconds = projection.expectedSeconds(StepWork(work))
            last = (work, seconds)
            return seconds
        }
    }
}

extension StepWork {
    public init(_ work: EngineWork) {
        self.init(
            steps: work.decodeSteps, sequences: work.decodedTokens, positions: work.decodedPositions, promptTokens: work.promptTokens,
            promptPositions: work.promptPositions)
    }
}

/// When the tokens of one answer may be seen.
package struct Pace {
    /// The device's time by its last token.
    private var due: ContinuousClock.Instant

    package init(start: ContinuousClock.Instant) { due = start }

    /// When a token may be seen that is here now and takes `seconds` on the device after the one before it: then, or now when this
    /// host is the slower one.
    package mutating func next(after seconds: Double, now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        // A profile can be arbitrarily slow; a century is as good as never and does not overflow the clock.
        due = max(now, due + .seconds(seconds < 3e9 ? seconds : 3e9))
        return due
    }
}
