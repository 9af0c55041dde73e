// The table of malformed and unusual HTTP in scripts/conformance/http_probe.py, against the daemon.
import Foundation
import TestSupport
import Testing

@Suite struct ConformanceTests {
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
    func probesAreAnsweredAsTheStandardsSay() throws {
        let daemon = try TestDaemon()
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = [SharedData.repository.appending(path: "scripts/conformance/http_probe.py").path, daemon.socket]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitForEnd()
        #expect(process.terminationStatus == 0, "\(text)")
    }
}
