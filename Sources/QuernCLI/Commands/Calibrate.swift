import ArgumentParser
import Foundation
import QuernPlanner
import QuernTensor

/// Measures this host once, so that plans for it are narrow.
struct Calibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure this host and keep the result as the device profile `host`.",
        discussion: """
            Times models of random weights in interleaved rounds: steps of 1 to 16 sequences, prompts, short and long contexts, and \
            beside them read bandwidth by threads, integer and float products. Takes under 20 s; other work on the machine falsifies \
            it. The profile is a text file under $XDG_DATA_HOME/quern/devices.

            Examples:
              quern calibrate
              quern calibrate --threads 4
              quern calibrate --print
              quern plan models/qwen.quern --verify
            """)

    @Option(help: "Kernel threads (default: what affinity and cgroup allow).")
    var threads: Int?

    @Flag(help: "Print the profile instead of keeping it.")
    var print = false

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads is \(threads), allowed is 1...1024") }
    }

    func run() async throws {
        let bar = ProgressReport("calibrating")
        let profile = try await HostProbe(threads: threads, progress: bar.update).profile()
        bar.finish()
        if print {
            _ = try StandardOutput.write(profile.text)
            return
        }
        let path = ProfileLocator.hostPath
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let file = try AtomicFile(path: path)
        try file.append(Array(profile.text.utf8))
        try file.commit()
        Terminal.note("kept as \(path)")
        _ = try StandardOutput.write(profile.description + "\n")
    }
}
