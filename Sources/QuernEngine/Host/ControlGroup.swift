// The control groups that this process is in, where limits of processors and memory are found.
//
// Owns: reading /proc/self/cgroup. Does not own: what the files in the folders mean (`ProcessorCount`, `HostMemory`).
// Invariant: a membership that cannot be read gives no folders, and so no limits.
import Foundation

package struct ControlGroup {
    /// Version 2 has one hierarchy for everything, version 1 one for each controller; their files have different names.
    package enum Version: Sendable { case one, two }

    package let folder: URL
    package let version: Version

    /// From our own group to the root, of both versions.
    ///
    /// - Parameters:
    ///   - controller: such as `memory`; of version 1 its hierarchy counts.
    ///   - root: where `proc` and `sys` are.
    package static func all(of controller: String, root: URL = URL(filePath: "/")) -> [ControlGroup] {
        guard let membership = try? String(contentsOf: root.appending(path: "proc/self/cgroup"), encoding: .utf8) else { return [] }
        var groups: [ControlGroup] = []
        for line in membership.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[2].contains("..") else { continue }
            let version: Version = fields[0] == "0" && fields[1].isEmpty ? .two : .one
            guard version == .two || fields[1].split(separator: ",").contains(controller[...]) else { continue }
            let top = root.appending(path: version == .two ? "sys/fs/cgroup" : "sys/fs/cgroup/\(controller)")
            var parts = fields[2].split(separator: "/").map { String($0) }
            while true {
                groups.append(ControlGroup(folder: parts.reduce(top) { $0.appending(path: $1) }, version: version))
                guard parts.popLast() != nil else { break }
            }
        }
        return groups
    }

    /// What a file of the group says; nil when it has no such file.
    package func text(_ file: String) -> String? {
        try? String(contentsOf: folder.appending(path: file), encoding: .utf8)
    }

    /// The number that a file of the group holds; nil for `max` and for no file.
    package func number(_ file: String) -> Int? {
        text(file).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
}
