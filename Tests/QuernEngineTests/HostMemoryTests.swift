// Memory that is left: the machine's, and that of control groups of both versions, from files as the kernel writes them.
import Foundation
import QuernEngine
import Testing

@Suite struct HostMemoryTests {
    private let root: URL

    init() throws {
        root = FileManager.default.temporaryDirectory.appending(path: "quern-memory-\(UUID().uuidString)")
        try write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    4000000 kB\n")
    }

    private func write(_ path: String, _ text: String) throws {
        let file = root.appending(path: path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    private var available: Int? { HostMemory(root: root).available }

    @Test func theMachineAlone() {
        defer { try? FileManager.default.removeItem(at: root) }
        #expect(available == 4_096_000_000)
    }

    @Test func nothingTells() throws {
        try FileManager.default.removeItem(at: root)
        #expect(available == nil)
    }

    /// The group above is the tighter one; pages of files count as left.
    @Test func versionTwo() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        try write("proc/self/cgroup", "0::/user.slice/quern.service\n")
        for (group, limit) in [("user.slice/quern.service", "max"), ("user.slice", "1000000000")] {
            try write("sys/fs/cgroup/\(group)/memory.max", limit + "\n")
            try write("sys/fs/cgroup/\(group)/memory.current", "900000000\n")
            try write("sys/fs/cgroup/\(group)/memory.stat", "anon 1\nfile 999\ninactive_file 30000000\nactive_file 20000000\n")
        }
        #expect(available == 150_000_000)
        #expect(HostMemory(root: root).limit == 1_000_000_000)
        try write("sys/fs/cgroup/user.slice/memory.current", "2000000000\n")   // the limit was lowered below what is used
        #expect(available == 0)
    }

    @Test func versionOne() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        try write("proc/self/cgroup", "4:cpu,memory:/a\n3:pids:/b\n0::/\n")
        try write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "500000000\n")
        try write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "100000000\n")
        try write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")     // no limit
        try write("sys/fs/cgroup/memory/memory.usage_in_bytes", "200000000\n")
        #expect(available == 400_000_000)
    }

    /// What is no number, or none that fits, is no limit; nobody leads out of the folder.
    @Test(arguments: ["0::/../../etc\n", "0::/a\nx\n:::\n", "\u{0}\n"])
    func hostileText(_ membership: String) throws {
        defer { try? FileManager.default.removeItem(at: root) }
        try write("proc/self/cgroup", membership)
        try write("sys/fs/cgroup/a/memory.max", "99999999999999999999999\n")
        try write("sys/fs/cgroup/a/memory.current", "-5\n")
        #expect(available == 4_096_000_000)
        try write("proc/meminfo", "MemAvailable: 9223372036854775807 kB\n")
        #expect(available == nil)
    }
}
