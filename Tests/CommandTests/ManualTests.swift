// Man pages and completions: made from the binary, complete, and clean to troff.
import Foundation
import TestSupport
import Testing

@Suite struct ManualTests {
    private static let hasTools = ["/usr/bin/python3", "/usr/bin/groff"].allSatisfy { FileManager.default.fileExists(atPath: $0) }

    @Test(.enabled(if: hasTools, "python3 or groff is absent")) func pagesSayWhatHelpSays() throws {
        let folder = try TemporaryFolder()
        let script = SharedData.repository.appending(path: "scripts/manuals.py").path
        let made = try QuernBinary.run(
            [script, "--quern", QuernBinary.path, "--into", folder.path("share")], folder: folder.url, executable: "/usr/bin/python3")
        #expect(made.status == 0, "\(made.error)")
        for command in ["serve", "run", "pack", "bench", "top"] {
            let page = folder.path("share/man/man1/quern-\(command).1")
            let shown = try QuernBinary.run(["-ww", "-man", "-Tascii", "-P-c", page], folder: folder.url, executable: "/usr/bin/groff")
            #expect(shown.status == 0 && shown.error.isEmpty, "\(shown.error)")
            let help = try QuernBinary.run([command, "--help"]).text
            // An overstruck letter is a bold one.
            let text = shown.text.replacing(/.\u{8}/, with: "")
            for option in help.matches(of: /--[a-z][a-z-]+/).map({ String($0.output) }) {
                #expect(text.contains(option), "\(command) \(option)")
            }
        }
        for file in ["bash-completion/completions/quern", "zsh/site-functions/_quern", "fish/vendor_completions.d/quern.fish"] {
            let text = try String(contentsOfFile: folder.path("share/\(file)"), encoding: .utf8)
            #expect(text.contains("bench") && text.contains("prompt-tokens"), "\(file)")
        }
        let checked = try QuernBinary.run(
            ["-n", "share/bash-completion/completions/quern"], folder: folder.url, executable: "/bin/bash")
        #expect(checked.status == 0, "\(checked.error)")
    }
}
