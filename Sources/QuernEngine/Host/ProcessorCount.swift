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

    /// The tightest `cpu.max` from our cgroup (version 2) up to the root.
    private static func quota() -> Int? {
        guard let membership = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8),
            let line = membership.split(separator: "\n").first(where: { $0.hasPrefix("0::") })
        else { return nil }
        var path = String(line.dropFirst(3))
        var tightest: Int?
        while true {
            let file = "/sys/fs/cgroup" + (path == "/" ? "" : path) + "/cpu.max"
            if let text = try? String(contentsOfFile: file, encoding: .utf8), let limit = processors(text) {
                tightest = min(tightest ?? limit, limit)
            }
            guard path.count > 1, let slash = path.lastIndex(of: "/") else { return tightest }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
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
