// run, map and chat as parts of a pipeline.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct PipeCommandTests {
    private let model = ["-m", QuernBinary.tinyChat, "--local", "--threads", "1", "--temperature", "0"]

    private func quern(_ arguments: [String], _ input: String = "") throws -> QuernBinary.Result {
        try QuernBinary.run(arguments, input: Array(input.utf8))
    }

    @Test func runPrintsTheWholeAnswerAsJSON() throws {
        let result = try quern(["run", "--json", "--max-tokens", "4", "--system", "be brief", "hello"] + model)
        #expect(result.status == 0, "\(result.error)")
        let json = try JSONValue(parsing: result.output)
        #expect(json["object"] == "chat.completion")
        #expect(json["usage"]?["completion_tokens"]?.intValue ?? 99 <= 4)
        let plain = try quern(["run", "--json", "--max-tokens", "4", "hello"] + model)
        let count = { (json: JSONValue) in json["usage"]?["prompt_tokens"]?.intValue ?? 0 }
        #expect(count(json) > count(try JSONValue(parsing: plain.output)))
    }

    /// What a terminal would obey, such as writing the clipboard, is shown on one and arrives unchanged in a pipe.
    @Test(arguments: ["run --local", "run --local --json", "map --local {}"])
    func controlCharactersAreShownOnATerminal(_ command: String) throws {
        let text = "a\u{1B}]52;c;QQ\u{07}\u{9B}b"
        let words = command.split(separator: " ").map(String.init)
        let arguments = words + ["-m", QuernBinary.tinyChat, "--threads", "1", "--choice", text]
        let line = ([QuernBinary.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
        let onTerminal = try QuernBinary.run(
            ["-qec", "echo hello | \(line) 2>/dev/null", "/dev/null"], executable: "/usr/bin/script")
        #expect(onTerminal.status == 0)
        #expect(!onTerminal.text.unicodeScalars.contains("\u{1B}") && !onTerminal.text.unicodeScalars.contains("\u{9B}"), "\(onTerminal.text)")
        #expect(onTerminal.text.contains("]52;c;QQ"))
        let piped = try quern(arguments, "hello\n").text
        #expect(piped.unicodeScalars.contains("\u{9B}"))
        #expect(command.contains("json") || piped.contains(text))
    }

    @Test func runStopsBeforeAStopString() throws {
        let free = try quern(["run", "--max-tokens", "24", "hello"] + model).text
        let word = try #require(free.firstMatch(of: /[a-z]{3,}/).map { String($0.0) })
        let stopped = try quern(["run", "--max-tokens", "24", "--stop", word, "hello"] + model).text
        #expect(!stopped.contains(word))
        #expect(free.hasPrefix(stopped.trimmingCharacters(in: .newlines)))
        #expect(try quern(["run", "--raw", "--system", "x", "hello"] + model).status == 2)
        #expect(try quern(["run", "--max-tokens", "0", "hello"] + model).status == 2)
    }

    @Test func mapAnswersEveryLineInOrder() throws {
        let words = (0..<40).map { "word\($0)" }
        let mapped = try quern(["map", "--max-tokens", "6", "-j", "7", "Say {}!"] + model, words.joined(separator: "\n"))
        #expect(mapped.status == 0, "\(mapped.error)")
        let lines = mapped.output.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map(Array.init)
        try #require(lines.count == 40)
        for index in [0, 17, 39] {
            let alone = try quern(["run", "--json", "--max-tokens", "6", "Say word\(index)!"] + model)
            let text = try JSONValue(parsing: alone.output)["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
            let escaped = text?.utf8.flatMap { $0 == 0x0A ? Array("\\n".utf8) : $0 == 0x0D ? Array("\\r".utf8) : [$0] }
            #expect(escaped == lines[index])
        }
    }

    @Test func mapReadsFieldsAndRecords() throws {
        let rows = "{\"name\":\"Ada\",\"n\":3}\n{\"nam\":1}\nnot json\n{\"name\":\"Bob\",\"n\":[1]}\n"
        let result = try quern(["map", "--json", "--max-tokens", "3", "{name} has {n}"] + model, rows)
        #expect(result.status == 3)
        #expect(result.error.contains("record 2"))
        let objects = try result.text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
        #expect(objects.compactMap { $0["index"]?.intValue } == [0, 1, 2, 3])
        #expect(objects[0]["input"]?["name"] == "Ada")
        #expect(objects[0]["output"]?.stringValue != nil)
        #expect(objects[1]["error"]?["message"]?.stringValue?.contains("no field \"name\"") == true)
        #expect(objects[2]["error"] != nil)
        #expect((objects[3]["usage"]?["completion_tokens"]?.intValue ?? 0) > 0)

        let records = try quern(["map", "-0", "--max-tokens", "3", "Count"] + model, "two\nlines\0one\0")
        #expect(records.status == 0, "\(records.error)")
        #expect(records.output.filter { $0 == 0 }.count == 2)
        #expect(try quern(["map", "{}"] + model).output.isEmpty)
    }

    /// An answer appears before the input has ended.
    @Test func mapStreams() throws {
        let process = Process()
        process.executableURL = URL(filePath: QuernBinary.path)
        process.arguments = ["map", "--max-tokens", "3", "{}"] + model
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        for word in ["one\n", "two\n"] {
            try input.fileHandleForWriting.write(contentsOf: Data(word.utf8))
            var line = Data()
            while line.last != 0x0A { line += output.fileHandleForReading.readData(ofLength: 1) }
        }
        try input.fileHandleForWriting.close()
        process.waitForEnd()
        #expect(process.terminationStatus == 0)
    }

    @Test func chatRemembers() throws {
        let two = try quern(["chat", "--max-tokens", "6"] + model, "hello\nand again\n")
        #expect(two.status == 0, "\(two.error)")
        let first = try quern(["chat", "--max-tokens", "6"] + model, "hello\n")
        #expect(two.text.hasPrefix(first.text))
        let cleared = try quern(["chat", "--max-tokens", "6"] + model, "hello\n/clear\nhello\n")
        #expect(cleared.text == first.text + first.text)
        let retried = try quern(["chat", "--max-tokens", "6"] + model, "hello\n/retry\n")
        #expect(retried.text == first.text + first.text)
        let help = try quern(["chat"] + model, "/help\n/nothing\n/exit\nnever said\n")
        #expect(help.status == 0)
        #expect(help.output.isEmpty)
        #expect(help.error.contains("/system") && help.error.contains("no command /nothing"))
        // A message that does not fit is taken back; the conversation goes on.
        let long = try quern(
            ["chat", "--max-tokens", "6", "--context", "64"] + model, String(repeating: "word ", count: 200) + "\nhello\n")
        #expect(long.status == 0)
        #expect(long.error.contains("the context holds 64"))
        #expect(long.text == first.text)
    }

    /// Ctrl-C stops the answer; the program goes on.
    @Test func chatSurvivesCtrlC() throws {
        let process = Process()
        process.executableURL = URL(filePath: QuernBinary.path)
        process.arguments = ["chat", "--context", "512", "--max-tokens", "400"] + model
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        var notes = ""
        // The tiny model may be done before the signal arrives; then Ctrl-C says how to leave, and the next message is tried.
        for attempt in 1...50 where !notes.contains("[stopped]") {
            try input.fileHandleForWriting.write(contentsOf: Data("hello\n".utf8))
            _ = output.fileHandleForReading.readData(ofLength: 1)
            process.interrupt()
            while notes.components(separatedBy: "[stopped]").count + notes.components(separatedBy: "leaves").count - 2 < attempt {
                let part = errors.fileHandleForReading.availableData
                try #require(!part.isEmpty, "ended before it was stopped: \(notes)")
                notes += String(decoding: part, as: UTF8.self)
            }
            try input.fileHandleForWriting.write(contentsOf: Data("/clear\n".utf8))
        }
        #expect(notes.contains("[stopped]"))
        let drain = Thread { while !output.fileHandleForReading.availableData.isEmpty {} }
        drain.start()
        try input.fileHandleForWriting.write(contentsOf: Data("/exit\n".utf8))
        process.waitForEnd()
        #expect(process.terminationStatus == 0)
    }
}
