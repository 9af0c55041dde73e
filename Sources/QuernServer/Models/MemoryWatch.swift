// Memory that becomes short after the start, because another program takes it or a control group's limit was lowered: the daemon gives
// back what it can spare and takes nothing new before the kernel ends a process for it.
//
// Owns: when memory counts as short. Does not own: what is given back (the engines). Invariant: what runs is finished.
import Logging
import Quern
import QuernEngine

struct MemoryWatch {
    /// Memory is short below this, and no longer from twice as much on.
    private static let reserve = 128 << 20

    private let memory = HostMemory()

    /// Looks once a second, until cancelled.
    func run(_ models: ModelRegistry, logger: Logger) async {
        var isShort = false
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            guard let left = memory.available else { continue }
            // A small group is never left with so much; it has a sixteenth of itself.
            let reserve = min(Self.reserve, memory.limit / 16)
            let wasShort = isShort
            isShort = left < (wasShort ? 2 * reserve : reserve)
            guard isShort || wasShort else { continue }
            for status in await models.statuses { status.model?.setMemoryShort(isShort) }
            guard isShort != wasShort else { continue }
            let figures: Logger.Metadata = ["available_mb": "\(left >> 20)", "needed_mb": "\((isShort ? 2 * reserve : reserve) >> 20)"]
            if isShort {
                logger.warning("memory is short: kept prefixes are given up, new requests refused", metadata: figures)
            } else {
                logger.notice("there is memory again", metadata: figures)
            }
        }
    }
}
