// `quern batch`: every row once, whatever happens to the process.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct BatchTests {
    private let folder: TemporaryFolder
    private let input: String
    private let output: String
    private let errors: String

    init() throws {
        folder = try TemporaryFolder()
        (input, output, errors) = (folder.path("in.jsonl"), folder.path("out.jsonl"), folder.path("out.errors.jsonl"))
    }

    private func write(_ lines: [String]) throws { try folder.write("in.jsonl", Array((lines.joined(separator: "\n") + "\n").utf8)) }

    private static func row(_ index: Int, maxTokens: Int = 4) -> String {
        #"{"custom_id":"r\#(index)","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"say \#(index)"}],"max_tokens":\#(maxTokens),"temperature":0}}"#
    }

    private var arguments: [String] { ["batch", input, "-o", output, "-m", QuernBinary.tinyChat, "--local", "--threads", "1"] }

    private func batch(_ extra: String...) throws -> QuernBinary.Result { try QuernBinary.run(arguments + extra) }

    private func rows(_ path: String) throws -> [JSONValue] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        return try data.split(separator: 0x0A).map { try JSONValue(parsing: [UInt8]($0)) }
    }

    private func ids(_ path: String) throws -> [String] { try rows(path).map { try #require($0["custom_id"]?.stringValue) } }

    @Test func answersHaveTheBatchFormat() throws {
        try write([Self.row(1), #"{"prompt":"hello","max_tokens":3}"#, "", #"{"custom_id":"short","messages":[{"role":"user","content":"x"}],"max_tokens":2}"#])
        let result = try batch("--json")
        #expect(result.status == 0, "\(result.error)")
        let answers = try rows(output)
        #expect(Set(try ids(output)) == ["r1", "line-2", "short"])
        for answer in answers {
            #expect(answer["id"]?.stringValue?.hasPrefix("batch_req_") == true)
            #expect(answer["error"] == .null)
            #expect(answer["response"]?["status_code"] == 200)
            #expect(answer["response"]?["body"]?["object"] == "chat.completion")
            #expect(answer["response"]?["request_id"] == answer["response"]?["body"]?["id"])
        }
        #expect(try rows(errors).isEmpty)
        let summary = try JSONValue(parsing: result.output)
        #expect(summary["answered"] == 3)
        #expect((summary["completion_tokens"]?.intValue ?? 0) > 0)
        #expect(result.error.contains("tok/s"))
        // Nothing is left to do.
        let before = try Data(contentsOf: URL(filePath: output))
        #expect(try batch().status == 0)
        #expect(try Data(contentsOf: URL(filePath: output)) == before)
    }

    @Test func badRowsAreIsolated() throws {
        try write([
            Self.row(1), "not json", #"{"custom_id":"hot","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"x"}],"temperature":9}}"#,
            #"{"custom_id":"r1","prompt":"again"}"#, #"{"custom_id":"get","method":"GET","url":"/v1/models","body":{}}"#,
            #"{"custom_id":"sneaky","url":"/health\r\nX: y","body":{}}"#, #"{"custom_id":"stream","prompt":"x","stream":true}"#,
            #"{"custom_id":7,"prompt":"x"}"#, "[1]", #"{"custom_id":"unknown","body":{},"urll":1}"#, Self.row(2),
        ])
        let result = try batch()
        #expect(result.status == 3, "\(result.error)")
        #expect(Set(try ids(output)) == ["r1", "r2"])
        let failed = Dictionary(uniqueKeysWithValues: try rows(errors).map { ($0["custom_id"]?.stringValue ?? "", $0) })
        #expect(Set(failed.keys) == ["line-2", "hot", "line-4", "get", "sneaky", "stream", "line-8", "line-9", "unknown"])
        #expect(failed["line-2"]?["error"]?["code"] == "invalid_json")
        #expect(failed["line-4"]?["error"]?["code"] == "duplicate_custom_id")
        #expect(failed["hot"]?["response"]?["status_code"] == 400)
        #expect(failed["hot"]?["response"]?["body"]?["error"]?["param"] == "temperature")
        #expect(failed["unknown"]?["error"]?["message"]?.stringValue?.contains("urll") == true)
        // Failed rows are done, too, until they are asked for again.
        #expect(try batch().status == 3)
        #expect(try rows(errors).count == 9)
    }

    @Test func failedRowsCanBeRetried() throws {
        let bad = #"{"custom_id":"r2","body":{"messages":[{"role":"user","content":"x"}],"temperature":9,"max_tokens":2}}"#
        try write([Self.row(1), bad, #"{"custom_id":"r3","body":{"messages":[]}}"#])
        #expect(try batch().status == 3)
        try write([Self.row(1), bad.replacing(":9", with: ":0"), #"{"custom_id":"r3","body":{"messages":[]}}"#])
        #expect(try batch("--retry-failed").status == 3)
        #expect(Set(try ids(output)) == ["r1", "r2"])
        #expect(try ids(errors) == ["r3"])
    }

    @Test func foreignFilesAreLeftAlone() throws {
        try write([Self.row(1)])
        for text in ["precious notes\n", "precious", #"{"custom_id":"r1"}"# + "\n"] {
            try Data(text.utf8).write(to: URL(filePath: output))
            let result = try batch()
            #expect(result.status == 65)
            #expect(result.error.contains("nothing was changed"))
            #expect(try String(contentsOfFile: output, encoding: .utf8) == text)
        }
        try FileManager.default.removeItem(atPath: output)
        #expect(try batch().status == 0)
        try write([Self.row(2)])
        let other = try batch()
        #expect(other.status == 65)
        #expect(other.error.contains("another batch"))
        #expect(try QuernBinary.run(["batch", "/nonexistent", "-o", output]).status == 66)
        #expect(try QuernBinary.run(["batch", input, "-o", "/dev/full", "-m", QuernBinary.tinyChat]).status == 2)
        #expect(try QuernBinary.run(["batch", input, "-o", output, "--errors", output]).status == 2)
    }

    /// A last row cut at any byte is answered again; everything before it stays.
    @Test func tornRowsAreRepaired() throws {
        try write([Self.row(1), Self.row(2)])
        #expect(try batch().status == 0)
        let whole = try Data(contentsOf: URL(filePath: output))
        let first = try #require(whole.firstIndex(of: 0x0A)) + 1
        for cut in [first + 1, first + 9, first + 40, whole.count - 1] {
            try whole[..<cut].write(to: URL(filePath: output))
            let result = try batch()
            #expect(result.status == 0, "\(result.error)")
            #expect(Set(try ids(output)) == ["r1", "r2"])
            #expect(try rows(output).count == 2)
            #expect(try Data(contentsOf: URL(filePath: output)).starts(with: whole[..<first]))
        }
        // What a power failure may leave: space that was never written.
        try (whole[..<first] + Data(count: 100)).write(to: URL(filePath: output))
        #expect(try batch().status == 0)
        #expect(try rows(output).count == 2)
    }

    @Test func aFullDiskLosesNothing() throws {
        try write((0..<40).map { Self.row($0) })
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = ["-c", "ulimit -f 8; exec \"$0\" \"$@\"", QuernBinary.path] + arguments
        shell.environment = ProcessInfo.processInfo.environment.merging(["XDG_RUNTIME_DIR": "/nonexistent"]) { $1 }
        shell.standardError = FileHandle.nullDevice
        try shell.run()
        shell.waitForEnd()
        #expect(shell.terminationStatus == 74)
        let kept = try ids(output)
        #expect(!kept.isEmpty && kept.count < 40)
        #expect(try batch().status == 0)
        #expect(Set(try ids(output)).count == 40)
        #expect(try rows(output).count == 40)
    }

    /// Killed at 20 random moments while rows are being written, then finished: every row is there exactly once.
    @Test(arguments: [true, false]) func killedBatchesResume(throughDaemon: Bool) throws {
        let count = 300
        try write((0..<count).map { $0 % 50 == 7 ? #"{"custom_id":"r\#($0)","body":{"messages":[]}}"# : Self.row($0, maxTokens: 2) })
        let daemon = throughDaemon ? try TestDaemon() : nil
        let arguments = daemon.map { ["batch", input, "-o", output, "--socket", $0.socket] } ?? arguments
        var random = SystemRandomNumberGenerator()
        var kills = 0
        for _ in 0..<20 {
            let process = Process()
            process.executableURL = URL(filePath: QuernBinary.path)
            process.arguments = arguments
            process.standardError = FileHandle.nullDevice
            let goal = size() + Int.random(in: 1...6000, using: &random)
            try process.run()
            while process.isRunning && size() < goal { usleep(500) }
            usleep(.random(in: 0...3000, using: &random))
            if process.isRunning { kills += 1 }
            kill(process.processIdentifier, SIGKILL)
            process.waitForEnd()
        }
        #expect(kills >= 15)
        let last = try QuernBinary.run(arguments)
        #expect(last.status == 3, "\(last.error)")
        let (answered, failed) = (try ids(output), try ids(errors))
        #expect(answered.count + failed.count == count)
        #expect(Set(answered + failed).count == count)
        #expect(Set(failed) == Set((0..<count).filter { $0 % 50 == 7 }.map { "r\($0)" }))
    }

    private func size() -> Int { (try? FileManager.default.attributesOfItem(atPath: output)[.size] as? Int) ?? 0 }

    @Test func oneBatchPerOutput() throws {
        try write((0..<200).map { Self.row($0, maxTokens: 60) })
        let first = Process()
        first.executableURL = URL(filePath: QuernBinary.path)
        first.arguments = arguments
        first.standardError = FileHandle.nullDevice
        try first.run()
        while size() == 0 { usleep(1000) }
        let second = try batch()
        #expect(second.status == 75)
        #expect(second.error.contains("another batch"))
        // Ctrl-C keeps what is done and says how to go on.
        first.interrupt()
        first.waitForEnd()
        #expect(first.terminationStatus == 130)
        #expect(try rows(output).count == Set(try ids(output)).count)
    }
}
