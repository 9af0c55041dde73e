// How much memory this process may have, and how much of it is left: the machine's, or less where a control group says so.
//
// Invariant: what the kernel can take back at once, such as pages of files that were read, counts as left.
import Foundation

package struct HostMemory {
    private let root: URL

    /// - Parameter root: where `proc` and `sys` are.
    package init(root: URL = URL(filePath: "/")) { self.root = root }

    /// Bytes of the machine, or of the tightest of our control groups.
    package var limit: Int {
        ControlGroup.all(of: "memory", root: root).compactMap { Self.limit(of: $0) }
            .reduce(Int(clamping: ProcessInfo.processInfo.physicalMemory)) { min($0, $1) }
    }

    /// Bytes that can still be had before the kernel ends a process to get some; nil when nothing tells.
    package var available: Int? {
        let meminfo = (try? String(contentsOf: root.appending(path: "proc/meminfo"), encoding: .utf8)) ?? ""
        let machine = Self.value(of: "MemAvailable:", in: meminfo).flatMap { kilobytes -> Int? in
            let (bytes, isTooLarge) = kilobytes.multipliedReportingOverflow(by: 1024)
            return isTooLarge ? nil : bytes
        }
        let groups = ControlGroup.all(of: "memory", root: root).compactMap { Self.available(in: $0) }
        return (groups + [machine].compactMap { $0 }).min()
    }

    private static func limit(of group: ControlGroup) -> Int? {
        group.number(group.version == .two ? "memory.max" : "memory.limit_in_bytes")
    }

    private static func available(in group: ControlGroup) -> Int? {
        guard let limit = limit(of: group),
            let used = group.number(group.version == .two ? "memory.current" : "memory.usage_in_bytes")
        else { return nil }
        let fields = group.version == .two ? ["inactive_file", "active_file"] : ["total_inactive_file", "total_active_file"]
        let statistics = group.text("memory.stat") ?? ""
        let files = fields.reduce(0) { $0 &+ (value(of: $1, in: statistics) ?? 0) }
        return max(0, limit.subtractingReportingOverflow(max(0, used &- files)).partialValue)
    }

    /// The number behind a name that stands at the beginning of a line.
    private static func value(of name: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
            if fields.count >= 2, fields[0] == name { return Int(fields[1]) }
        }
        return nil
    }
}
