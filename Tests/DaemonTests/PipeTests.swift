// The raw pipe socket: bytes in until half-close, text out, close.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct PipeTests {
    private let daemon: TestDaemon

    init() throws { daemon = try TestDaemon(arguments: ["--context", "256"]) }

    @Test func answersAPrompt() throws {
        #expect(!(try daemon.askPipe(Array("Write a haiku".utf8))).hasPrefix("quern: "))
        #expect(daemon.waitForLog("completion_tokens"))
    }

    @Test func errorsAreOneLine() throws {
        for (prompt, message) in [
            ([], "the prompt is empty"), (Array(" \n".utf8), "the prompt is empty"), ([0x61, 0xFF], "not valid UTF-8"),
            (Array(String(repeating: "word ", count: 2000).utf8), "the context holds 256"),
        ] as [([UInt8], String)] {
            let answer = try daemon.askPipe(prompt)
            #expect(answer.hasPrefix("quern: "))
            #expect(answer.contains(message))
            #expect(answer.filter { $0 == "\n" }.count == 1)
        }
        #expect(try daemon.request("GET", "/health").status == 200)
    }

    @Test func requestsForTheOtherSocketAreText() throws {
        #expect(!(try daemon.askPipe(Array("GET / HTTP/1.1\r\n\r\n".utf8))).contains("HTTP/1.1 4"))
    }

    /// Two clients at once, one of which never finishes its prompt.
    @Test func aSilentClientHoldsNobody() throws {
        let silent = try UnixConnection(daemon.pipe)
        try silent.send(Array("never finished".utf8))
        #expect(!(try daemon.askPipe(Array("hello".utf8))).hasPrefix("quern: "))
        silent.close()
        #expect(try daemon.request("GET", "/health").status == 200)
    }

    @Test func leavingCancels() throws {
        for _ in 0..<5 {
            let connection = try UnixConnection(daemon.pipe)
            try connection.send(Array("tell me everything".utf8))
            connection.finishSending()
            connection.close()
        }
        #expect(try daemon.request("GET", "/health").status == 200)
        #expect(daemon.stop() == 0)
    }
}
