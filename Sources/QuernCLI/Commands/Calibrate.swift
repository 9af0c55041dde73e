import ArgumentParser
import Foundation
import QuernMeasure
import QuernPlanner
import QuernTensor

/// Measures this host once, so that plans for it are narrow.
struct Calibrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure this host and keep the result as the device profile `host`.",
        discussion: """
            Times models of random weights in interleaved rounds: steps of 1 to 16 sequences, prompts, short and long contexts, and \
            beside them read bandwidth by threads, integer and float products. Takes under 20 s. Rounds during which other programs, the \
            hypervisor or a cgroup took processor time are left out; when no others are left, a warning says that the figures \
            are those of a busy machine. The profile is a text file under $XDG_DATA_HOME/quern/devices.

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
        let (profile, company) = try await HostSurvey(threads: threads, progress: bar.update).profile()
        bar.finish()
        warn(company)
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

    private func warn(_ company: HostSurvey.Company) {
        guard company.noise.isNoisy else { return }
        let noise = company.noise
        let shares = String(
            format: "other programs took up to %.0f %% of the processors, the hypervisor %.0f %%, a cgroup kept us waiting for %.0f %% "
                + "of the time", noise.others * 100, noise.stolen * 100, noise.throttled * 100)
        let consequence = company.noisyRounds == company.rounds
            ? "every round is disturbed, so the profile is too slow: calibrate again when the machine is idle"
            : "\(company.noisyRounds) of \(company.rounds) rounds are left out"
        Terminal.note("quern: warning: the machine is busy (\(shares)); \(consequence)")
    }
}
