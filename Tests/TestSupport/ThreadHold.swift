// One thread of another process held still, as a deadlock would hold it, while the others go on.
//
// ptrace(2) is out of Swift's reach; a few lines of Python call it.
import Foundation

public final class ThreadHold {
    public static let isPossible = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")
    private let process = Process()
    private let input = Pipe()

    private static let script = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        thread = int(sys.argv[1])
        for request in (0x4206, 0x4207):  # seize, interrupt
            if libc.ptrace(request, thread, None, None): sys.exit(os.strerror(ctypes.get_errno()))
        os.waitpid(thread, 0x40000000)    # a thread, not a child
        print("held", flush=True)
        sys.stdin.read()
        """

    /// Returns when the thread stands still; it goes on after `end`, or when this is gone.
    ///
    /// - Throws: when there is no thread of this name, or it cannot be held.
    public init(_ name: String, of pid: pid_t) throws {
        let tasks = "/proc/\(pid)/task"
        let thread = try FileManager.default.contentsOfDirectory(atPath: tasks).first {
            try String(contentsOfFile: "\(tasks)/\($0)/comm", encoding: .utf8) == name + "\n"
        }
        guard let thread else { throw TestDaemon.Failure(description: "no thread \(name)") }
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.script, thread]
        process.standardInput = input
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let answer = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard answer.hasPrefix("held") else { throw TestDaemon.Failure(description: "the thread cannot be held: \(answer)") }
    }

    public func end() {
        try? input.fileHandleForWriting.close()
        process.waitForEnd()
    }

    deinit { end() }
}
