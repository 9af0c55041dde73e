// What else the machine did while something was measured: time stolen by a hypervisor, throttling by a cgroup, other programs.
//
// Owns: the counters of the kernel at one moment. Does not own: what to do about a noisy run. Invariant: a counter that the
// kernel does not offer is zero, so that its difference is zero.
import Foundation
import Glibc

public struct HostCounters: Sendable {
    /// Clock ticks of all processors together since boot.
    package var totalTicks = 0.0
    package var busyTicks = 0.0
    package var stolenTicks = 0.0
    /// Seconds that our cgroups were kept from running for want of quota.
    package var throttledSeconds = 0.0
    /// Processor seconds of this process.
    package var ownSeconds = 0.0

    package init() {}

    package static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// The counters now.
    public static func now() -> HostCounters {
        var counters = HostCounters()
        counters.readProcessors(read("/proc/stat"))
        counters.throttledSeconds = cpuStatFiles(read("/proc/self/cgroup")).reduce(0) { $0 + throttling(read($1)) }
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        counters.ownSeconds = [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        return counters
    }

    private static func read(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    /// The `cpu` line of /proc/stat: user nice system idle iowait irq softirq steal (proc_stat(5)).
    package mutating func readProcessors(_ text: String) {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("cpu ") }) else { return }
        let ticks = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard ticks.count == 8 else { return }
        totalTicks = ticks.reduce(0, +)
        stolenTicks = ticks[7]
        busyTicks = totalTicks - ticks[3] - ticks[4] - ticks[7]
    }

    /// The `cpu.stat` files of our cgroups: version 2 from ours up to the root, version 1 of the cpu controller.
    package static func cpuStatFiles(_ membership: String) -> [String] {
        var files: [String] = []
        for line in membership.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[2].contains("..") else { continue }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("cpu") else { continue }
            let root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu"
            var parts = fields[2].split(separator: "/").map { String($0) }
            while true {
                files.append(([root] + parts + ["cpu.stat"]).joined(separator: "/"))
                if parts.isEmpty { break }
                parts.removeLast()
            }
        }
        return files
    }

    /// Seconds from a `cpu.stat`: microseconds in version 2, nanoseconds in version 1.
    package static func throttling(_ text: String) -> Double {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count == 2, let value = Double(fields[1]) else { continue }
            if fields[0] == "throttled_usec" { return value / 1e6 }
            if fields[0] == "throttled_time" { return value / 1e9 }
        }
        return 0
    }
}
