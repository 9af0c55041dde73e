// Man pages and completions: made from the binary, complete, and clean to troff.
import Foundation
import TestSupport
import Testing

@Suite struct ManualTests {
    private static let hasTools = ["/usr/bin/python3", "/usr/bin/groff"].allSatisfy { FileManager.default.fileExists(atPath: $0) }

    private func run(_ program: String, _ arguments: [String], in folder: URL) throws -> (output: String, error: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        let (output, error) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = error
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitForEnd()
        return (text, complaint, process.terminationStatus)
    }

    @Test(.enabled(if: hasTools, "python3 or groff is absent")) func pagesSayWhatHelpSays() throws {
        let folder = try TemporaryFolder()
        let script = SharedData.repository.appending(path: "scripts/manuals.py").path
        let made = try run("/usr/bin/python3", [script, "--quern", QuernBinary.path, "--into", folder.path("share")], in: folder.url)
        #expect(made.status == 0, "\(made.error)")
        for command in ["serve", "run", "pack", "bench", "top"] {
            let page = folder.path("share/man/man1/quern-\(command).1")
            let shown = try run("/usr/bin/groff", ["-ww", "-man", "-Tascii", "-P-c", page], in: folder.url)
            #expect(shown.status == 0 && shown.error.isEmpty, "\(shown.error)")
            let help = try QuernBinary.run([command, "--help"]).text
            // An overstruck letter is a bold one.
            let text = shown.output.replacing(/.\u{8}/, with: "")
            for option in help.matches(of: /--[a-z][a-z-]+/).map({ String($0.output) }) {
                #expect(text.contains(option), "\(command) \(option)")
            }
        }
        for file in ["bash-completion/completions/quern", "zsh/site-functions/_quern", "fish/vendor_completions.d/quern.fish"] {
            let text = try String(contentsOfFile: folder.path("share/\(file)"), encoding: .utf8)
            #expect(text.contains("bench") && text.contains("prompt-tokens"), "\(file)")
        }
        let checked = try run("/bin/bash", ["-n", "share/bash-completion/completions/quern"], in: folder.url)
        #expect(checked.status == 0, "\(checked.error)")
    }
}
