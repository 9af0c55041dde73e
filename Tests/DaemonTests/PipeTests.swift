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

    @Test func theFirstLineMayHoldOptions() throws {
        func ask(_ text: String) throws -> String { try daemon.askPipe(Array(text.utf8)) }
        let options = #"#quern {"max_tokens": 8, "temperature": 0, "ignore_eos": true}"#
        let short = try ask(options + "\nWrite a haiku")
        #expect(!short.hasPrefix("quern: "))
        #expect(try ask(options + "\nWrite a haiku") == short)
        #expect(try ask(options.replacing("8,", with: "4,") + "\nWrite a haiku").utf8.count <= short.utf8.count)
        #expect(try ask(options.replacing("{", with: #"{"system": "be brief", "#) + "\nhi").hasPrefix("quern: ") == false)
        #expect(try ask(options.replacing("{", with: #"{"raw": true, "#) + "\nhi").hasPrefix("quern: ") == false)
        for (line, message) in [
            (#"{"max_tokens": -1}"#, "max_tokens is -1"), (#"{"max_tokns": 1}"#, "max_tokns"), (#"{"stream": true}"#, "stream"),
            (#"{"messages": []}"#, "messages"), (#"{"raw": 1}"#, "raw is number"), (#"{"temperature": 1"#, "not valid JSON"),
            (#"{"raw": true, "system": "x"}"#, "no system message"), (#"{"model": "other"}"#, "other"),
            (#"{"temperature": 1, "temperature": 1}"#, "temperature"),
            (#"{"stop": ""# + String(repeating: "x", count: 70_000) + #""}"#, "exceeds the limit"),
        ] {
            let answer = try ask("#quern \(line)\nhello")
            #expect(answer.hasPrefix("quern: ") && answer.contains(message), "\(line.prefix(80)): \(answer.prefix(200))")
        }
        #expect(try ask(#"#quern {"max_tokens": 1}"#).contains("not followed by a prompt"))
        #expect(try ask("#quern {\"max_tokens\": 1}\n \n").contains("the prompt is empty"))
    }

    @Test func otherFirstLinesArePrompts() throws {
        for text in ["# A heading\ntext", "#quern is a mill", "#quern\n{}", "# quern {\"max_tokens\": 0}\nx", " #quern {\"x\": 0}\nx"] {
            #expect(!(try daemon.askPipe(Array(text.utf8))).hasPrefix("quern: "), "\(text)")
        }
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
