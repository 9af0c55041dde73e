// The real binary: answers on stdout alone, messages that help, documented exit codes.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct CommandTests {
    private let folder: TemporaryFolder
    private let tiny = QuernBinary.tinyChat

    init() throws { folder = try TemporaryFolder() }

    private func quern(_ arguments: String..., input: String = "", environment: [String: String] = [:]) throws -> QuernBinary.Result {
        try QuernBinary.run(arguments, input: Array(input.utf8), environment: environment, folder: folder.url)
    }

    @Test(arguments: [
        "serve", "run", "pack", "inspect", "tokenize", "detokenize", "logits", "bench", "eval", "status", "top", "map", "chat", "batch",
        "ps", "stop", "doctor", "limits",
    ])
    func everyCommandHasHelpWithExamples(_ command: String) throws {
        let help = try quern(command, "--help")
        #expect(help.status == 0)
        #expect(help.error.isEmpty)
        #expect(help.text.contains("USAGE:"))
        #expect(help.text.contains("Examples:"))
        #expect(help.text.contains("quern \(command)"))
    }

    @Test func topLevelHelp() throws {
        let help = try quern("--help")
        #expect(help.status == 0)
        #expect(help.text.contains("Exit status"))
        #expect(try quern("--version").text.contains("."))
        let unknown = try quern("grind")
        #expect(unknown.status == 2)
        #expect(unknown.output.isEmpty)
        #expect(unknown.error.hasPrefix("quern: "))
    }

    @Test func badFilesHaveTheirExitCode() throws {
        let text = try folder.write("notes.txt", Array("not a model".utf8))
        let short = try folder.write("short.gguf", Array("GGUF".utf8))
        let version = try folder.write("v9.gguf", Array("GGUF".utf8) + [9] + [UInt8](repeating: 0, count: 30))
        for command in ["inspect", "run", "serve"] {
            for (path, status, detail) in [
                ("/nonexistent.gguf", Int32(66), "/nonexistent.gguf"), (text, 65, "neither a GGUF file"),
                (short, 65, "4 bytes"), (version, 65, "version"), ("/dev/zero", 66, "not a regular file"),
            ] {
                let extra = command == "run" ? ["-m", path, "--local", "hi"] : command == "serve" ? [path, "--socket", folder.path("s.sock")] : [path]
                let result = try QuernBinary.run([command] + extra, folder: folder.url)
                #expect(result.status == status, "\(command) \(path): \(result.error)")
                #expect(result.error.contains(detail), "\(command) \(path): \(result.error)")
                #expect(result.error.contains(path))
                #expect(result.output.isEmpty)
            }
        }
        #expect(try quern("pack", text, "-o", folder.path("x.quern")).status == 65)
        #expect(try quern("pack", tiny, "-o", "/nonexistent/x.quern").status == 74)
        #expect(try quern("pack", tiny).status == 2)
    }

    @Test func missingModelSaysWhatToDo() throws {
        let result = try quern("run", "hi")
        #expect(result.status == 66)
        #expect(result.error.contains("quern pack"))
    }

    @Test func packInspectRun() throws {
        let packed = try quern("pack", tiny, "-o", "tiny.quern")
        #expect(packed.status == 0, "\(packed.error)")
        #expect(packed.output.isEmpty)
        let report = try quern("inspect", "--json", "--verify", "tiny.quern")
        let json = try JSONValue(parsing: report.output)
        #expect(json["verified"] == "all checksums match")
        #expect(json["config"]?["model_type"] == "qwen2")
        #expect((json["tensors"]?.arrayValue?.count ?? 0) > 20)
        #expect(try quern("inspect", "tiny.quern").text.contains("model_type: qwen2"))
        #expect(try quern("inspect", "--template", "tiny.quern").text.contains("im_start"))

        let answer = try quern("run", "-m", "tiny.quern", "--temperature", "0", "--max-tokens", "12", "hello")
        #expect(answer.status == 0, "\(answer.error)")
        #expect(answer.error.contains("tok/s"))
        #expect(!answer.text.contains("tok/s"))
        let piped = try quern("run", "-m", "tiny.quern", "--temperature", "0", "--max-tokens", "12", input: "hello")
        #expect(piped.text == answer.text)
    }

    @Test func promptsComeFromArgumentAndInput() throws {
        #expect(try quern("run", "-m", tiny, "--local").status == 65)
        #expect(try quern("run", "-m", tiny, "--local", input: " \n").status == 65)
        #expect(try QuernBinary.run(["run", "-m", tiny, "--local"], input: [0xFF, 0xFE]).status == 65)
        #expect(try quern("run", "-m", tiny, "--temperature", "9", "x").status == 2)
        #expect(try quern("run", "-m", tiny, "--local", "--raw", "--temperature", "0", "--max-tokens", "3", "x").status == 0)
    }

    /// `quern run … | head -c 1` is a success.
    @Test func closedPipesAreNoError() throws {
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = [
            "-c", "\"$0\" run -m \"$1\" --local --max-tokens 200 hello 2>/dev/null | true; exit ${PIPESTATUS[0]}", QuernBinary.path, tiny,
        ]
        shell.environment = ProcessInfo.processInfo.environment.merging(["XDG_RUNTIME_DIR": "/nonexistent"]) { $1 }
        try shell.run()
        shell.waitForEnd()
        #expect(shell.terminationStatus == 0)
    }

    @Test func tokenizeAndBack() throws {
        let text = "Grüße, 世界! <|im_end|>\n\tend"
        let ids = try quern("tokenize", "-m", tiny, input: text)
        #expect(ids.status == 0, "\(ids.error)")
        let back = try quern("detokenize", "-m", tiny, input: ids.text)
        #expect(back.text == text)
        let special = try quern("tokenize", "-m", tiny, "--special", "<|im_end|>")
        #expect(special.text.split(separator: " ").count == 1)
        let lines = try quern("tokenize", "-m", tiny, "--jsonl", input: "{\"text\":\"a\"}\n{\"txt\":1}\n{\"text\":\"b\"}\n")
        #expect(lines.status == 3)
        #expect(lines.text.split(separator: "\n").count == 3)
        #expect(lines.error.contains("line 2"))
        let outside = try quern("detokenize", "-m", tiny, "0 99999")
        #expect(outside.status == 65)
        #expect(outside.error.contains("/tokens/1"))
        #expect(try quern("detokenize", "-m", tiny, "--", "-1").status == 65)
        #expect(try quern("detokenize", "-m", tiny, "x").status == 2)
    }

    @Test func countIsTheNumberOfIDs() throws {
        let text = "Grüße, 世界! <|im_end|>\n\tend"
        for special in [[], ["--special"]] {
            let ids = try QuernBinary.run(["tokenize", "-m", tiny] + special, input: Array(text.utf8), folder: folder.url)
            let count = try QuernBinary.run(["count", "-m", tiny] + special, input: Array(text.utf8), folder: folder.url)
            #expect(count.status == 0, "\(count.error)")
            #expect(count.text == "\(ids.text.split(whereSeparator: \.isWhitespace).count)\n")
        }
        #expect(try quern("count", "--tokenizer", tiny, "").text == "0\n")
        let lines = try quern("count", "-m", tiny, "--jsonl", input: "{\"text\":\"\"}\n{\"txt\":1}\n")
        #expect(lines.status == 3)
        #expect(lines.text.hasPrefix("{\"count\":0}\n"))
        #expect(lines.error.contains("line 2"))
        #expect(try quern("count", "-m", tiny, "--tokenizer", tiny, "a").status == 2)
    }

    @Test func templateRendersMessages() throws {
        let messages = #"[{"role": "user", "content": "Hi"}]"#
        let turn = "<|im_start|>user\nHi<|im_end|>\n"
        #expect(try quern("template", "-m", tiny, input: messages).text == turn + "<|im_start|>assistant\n")
        #expect(try quern("template", "-m", tiny, "--no-generation-prompt", input: messages).text == turn)
        let kwargs = try quern("template", "-m", tiny, "--kwargs", #"{"add_generation_prompt": true}"#, "--no-generation-prompt", input: messages)
        #expect(kwargs.text == turn)
        let lines = try quern("template", "-m", tiny, "--jsonl", input: "{\"messages\": \(messages)}\n3\n")
        #expect(lines.status == 3)
        #expect(lines.text.contains("<|im_start|>user\\nHi<|im_end|>"))
        #expect(lines.error.contains("line 2"))
        #expect(try quern("template", "-m", tiny, "--source").text.contains("{% for message in messages %}"))
        #expect(try quern("template", "-m", tiny, "--kwargs", "[]", input: messages).status == 2)
    }

    @Test func logitsNeedNoTokenizer() throws {
        let bare = SharedData.repository.appending(path: "Tests/Fixtures/tiny-qwen3").path
        let result = try quern("logits", bare, "--tokens", "1,2,3", "--precision", "f32", "--positions", "all", "--json")
        #expect(result.status == 0, "\(result.error)")
        let positions = try JSONValue(parsing: result.output)["positions"]?.arrayValue ?? []
        #expect(positions.compactMap { $0["position"]?.intValue } == [0, 1, 2])
        let top = try quern("logits", bare, "--tokens", "1,2,3", "--top", "2", "--json")
        #expect(try JSONValue(parsing: top.output)["positions"]?.arrayValue?.first?["top"]?.arrayValue?.count == 2)
        #expect(try quern("logits", bare, "--tokens", "1,999999").status == 1)
        #expect(try quern("logits", bare, "--tokens", "a").status == 2)
        #expect(try quern("logits", bare, "--tokens", "1", "--positions", "5").status == 2)
        #expect(try quern("logits", bare, "--tokens", "1", "--isa", "mmx").error.contains("mmx"))
    }

    @Test func evaluation() throws {
        let text = (0..<400).map { "word\($0 % 37) " }.joined()
        let corpus = try folder.write("corpus.txt", Array(text.utf8))
        let perplexity = try quern("eval", "perplexity", tiny, "--corpus", corpus, "--length", "64", "--chunks", "2", "--json")
        #expect(perplexity.status == 0, "\(perplexity.error)")
        #expect(try JSONValue(parsing: perplexity.output)["tokens"] == 62)
        let same = try quern("eval", "divergence", tiny, "--corpus", corpus, "--length", "64", "--precision", "f32", "--json")
        let none = try JSONValue(parsing: same.output)["divergence"]
        #expect(none?["mean_kl"]?.doubleValue == 0)
        #expect(none?["same_top_1"]?.doubleValue == 1)
        let packed = try quern("pack", tiny, "-o", "tiny.quern", "--receipt-corpus", corpus, "--receipt-chunks", "1")
        #expect(packed.status == 0, "\(packed.error)")
        #expect(try quern("eval", "divergence", "tiny.quern", "--corpus", corpus, "--length", "64").status == 2)
        let found = try quern("eval", "divergence", "tiny.quern", "--reference", tiny, "--corpus", corpus, "--length", "64", "--json")
        let kl = try JSONValue(parsing: found.output)["divergence"]?["mean_kl"]?.doubleValue ?? 0
        #expect(kl > 0 && kl < 0.01)
        let receipt = try JSONValue(parsing: try quern("inspect", "--json", "tiny.quern").output)["receipt"]
        #expect((receipt?["rms_error"]?.doubleValue ?? 0) > 0.001)
        #expect(receipt?["corpus"]?["tokens"] == 255)
        #expect((receipt?["tensors"]?.arrayValue?.count ?? 0) > 10)
        #expect(try quern("eval", "perplexity", tiny, "--corpus", "/nonexistent").status == 66)
    }

    @Test func noDaemon() throws {
        let result = try quern("status", "--socket", folder.path("none.sock"))
        #expect(result.status == 69)
        #expect(result.error.contains("quern serve"))
    }
}
