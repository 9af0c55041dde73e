import ArgumentParser
import Foundation
import QuernJSON
import QuernPlanner

/// The profiles there are, with who says what.
struct Devices: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List device profiles, or show one with the source of every number.",
        discussion: """
            A profile is a text file: one fact a line, `key = value unit ; confidence ; source`. To plan for a device of your own, \
            save one that comes close and change it: `quern devices h20-96gb --text > mine.profile`, then `--device mine.profile`.

            Examples:
              quern devices
              quern devices zhenwu-810e
              quern devices h20-96gb --text > mine.profile
              quern devices --json
            """)

    @Argument(help: "A device or a profile file.")
    var device: String?

    @Flag(help: "Print the profile as a file that can be changed and given to --device.")
    var text = false

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        guard let device else { return try list() }
        let profile = try ProfileLocator.profile(device)
        if text {
            _ = try StandardOutput.write(profile.text)
        } else if json {
            _ = try StandardOutput.write(profile.json.serialized(.pretty) + "\n")
        } else {
            _ = try StandardOutput.write(profile.description + "\n")
        }
    }

    private func list() throws {
        let host = FileManager.default.fileExists(atPath: ProfileLocator.hostPath) ? ["host"] : []
        let profiles = try (host + DeviceProfile.builtInNames).map(ProfileLocator.profile)
        if json {
            _ = try StandardOutput.write(JSONValue.array(profiles.map(\.json)).serialized(.pretty) + "\n")
            return
        }
        let width = profiles.map(\.id.count).max() ?? 0
        let lines = profiles.map { profile in
            profile.id + String(repeating: " ", count: width - profile.id.count) + "  " + profile.summary
        }
        let hint = host.isEmpty ? "\nhost: not measured yet; run `quern calibrate`" : ""
        _ = try StandardOutput.write(lines.joined(separator: "\n") + hint + "\n")
    }
}
