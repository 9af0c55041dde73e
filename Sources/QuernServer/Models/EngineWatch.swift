// Whether the engines get on, as opposed to whether the daemon answers: an event loop that lives says nothing about a model.
//
// Owns: what was seen of each engine a second ago. Invariant: an engine has stopped only when it had work and did not finish one layer
// between any two of several looks, so that a process which was stopped as a whole, and went on, is not suspected.
import Logging
import Quern
import QuernEngine
import Synchronization

final class EngineWatch: Sendable {
    /// Looks without progress that make an engine a stalled one: it is known within five seconds.
    private static let patience = 4

    private let names = Mutex<[String]>([])

    /// Models whose engine has work and does not do it.
    var stalled: [String] { names.withLock { $0 } }

    /// Looks at every loaded model once a second, until cancelled.
    func run(_ models: ModelRegistry, logger: Logger) async {
        var seen: [String: (pulse: EnginePulse, looks: Int)] = [:]
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            var now: [String: (pulse: EnginePulse, looks: Int)] = [:]
            for status in await models.statuses {
                guard let pulse = status.model?.pulse else { continue }
                let name = status.specification.name
                let before = seen[name]
                let isStill = !pulse.isIdle && before?.pulse == pulse
                now[name] = (pulse, isStill ? (before?.looks ?? 0) + 1 : 0)
            }
            seen = now
            note(now.filter { $0.value.looks >= Self.patience }.keys.sorted(), logger)
        }
    }

    private func note(_ stalled: [String], _ logger: Logger) {
        let before = names.withLock { names in
            defer { names = stalled }
            return names
        }
        guard stalled != before else { return }
        if stalled.isEmpty { return logger.notice("the engines get on again") }
        logger.critical("an engine has work and does not get on", metadata: ["models": "\(stalled.joined(separator: ", "))"])
    }
}
