// The table of malformed and unusual HTTP in scripts/conformance/http_probe.py, against the daemon.
import Foundation
import TestSupport
import Testing

@Suite struct ConformanceTests {
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
    func probesAreAnsweredAsTheStandardsSay() throws {
        let daemon = try TestDaemon()
        let script = SharedData.repository.appending(path: "scripts/conformance/http_probe.py").path
        let probe = try QuernBinary.run([script, daemon.socket], executable: "/usr/bin/python3")
        #expect(probe.status == 0, "\(probe.text)")
    }
}
