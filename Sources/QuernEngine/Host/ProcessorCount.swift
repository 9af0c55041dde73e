// How many processors this process may really use: affinity mask and cgroup quota, not the machine's core count.
import Foundation
import QuernTensor

package enum ProcessorCount {
    /// At least 1. A cgroup quota of 1.5 processors gives 1: a throttled pool is slower than a small one.
    package static func available() -> Int {
        max(1, min(affinity(), quota() ?? Int.max))
    }

    private static func affinity() -> Int {
        let allowed = WorkerPool.affinityCount
        return allowed > 0 ? allowed : ProcessInfo.processInfo.activeProcessorCount
    }

    /// The tightest `cpu.max` of our control groups of version 2.
    private static func quota() -> Int? {
        ControlGroup.all(of: "cpu").filter { $0.version == .two }.compactMap { $0.text("cpu.max").flatMap { processors($0) } }.min()
    }

    /// "150000 100000" is 1 processor, "max 100000" no limit.
    package static func processors(_ text: String) -> Int? {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0 else {
            return nil
        }
        return max(1, Int(exactly: min(quota / period, 4096).rounded(.down)) ?? 1)
    }
}
