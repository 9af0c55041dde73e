// `quern top` beside a daemon that works.
import Foundation
import QuernJSON
import Synchronization
import TestSupport
import Testing

/// Asks a daemon again and again until told to stop.
private final class Crowd: Sendable {
    private let isOver = Atomic<Bool>(false)

    init(_ daemon: TestDaemon) {
        Thread { [self] in
            while !isOver.load(ordering: .acquiring) {
                _ = try? daemon.request("POST", "/v1/completions", ["prompt": "abc", "max_tokens": 100, "ignore_eos": true])
            }
        }.start()
    }

    func stop() { isOver.store(true, ordering: .releasing) }
}

@Suite(.serialized) struct TopTests {
    @Test func figuresMoveWithTheWork() throws {
        let daemon = try TestDaemon(arguments: ["--context", "256"])
        let crowd = Crowd(daemon)
        defer { crowd.stop() }
        let result = try QuernBinary.run(["top", "--socket", daemon.socket, "--interval", "0.3", "-n", "2", "--json"])
        #expect(result.status == 0, "\(result.error)")
        let frames = try result.text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
        #expect(frames.count == 2)
        for name in ["tokens_per_second", "steps_per_second", "requests_per_second", "ttft_ms", "weight_gigabytes_per_second"] {
            #expect((frames[1][name]?.doubleValue ?? 0) > 0, "\(name)")
        }
        let frame = try QuernBinary.run(["top", "--socket", daemon.socket, "--interval", "0.1", "--count", "1", "--bandwidth", "20"])
        for word in ["tiny-chat", "requests", "tokens/s", "KV blocks", "of 20.00 GB/s", "history"] { #expect(frame.text.contains(word), "\(word)") }
        #expect(!frame.text.contains("\u{1B}"))      // no terminal, no escapes
    }

    @Test func mistakesAreUsageErrors() throws {
        for arguments in [["--interval", "0"], ["--count", "0"], ["--bandwidth", "-1"]] {
            #expect(try QuernBinary.run(["top"] + arguments).status == 2)
        }
        #expect(try QuernBinary.run(["top", "--socket", "/nonexistent/q.sock"]).status == 69)
    }
}
