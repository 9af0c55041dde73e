import ArgumentParser
import Foundation
import Glibc
import Quern
import QuernEngine
import QuernJSON
import QuernServer

/// Answers one prompt.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer one prompt: through the daemon if one runs, else in this process.",
        discussion: """
            The answer goes to stdout and nothing else does; token counts and speed go to stderr. The prompt is the argument, \
            or standard input, or both (argument first).

            Examples:
              quern run "Explain quicksort in one sentence"
              cat main.c | quern run "Review this program:"
              quern run -m models/qwen.quern --temperature 0 --max-tokens 200 "Write a haiku"
              quern run --raw "def fibonacci(n):" | head -5
            """)

    @Argument(help: "The prompt.")
    var prompt: String?

    @Option(name: .shortAndLong, help: "Model file or name; with a path the daemon is used only if it serves that model.")
    var model: String?

    @Option(help: "System message.")
    var system: String?

    @Flag(help: "Continue the prompt as it is, without the chat template.")
    var raw = false

    @Flag(help: "Never use a daemon.")
    var local = false

    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var sockets: SocketOptions
    @OptionGroup var loading: LoadingOptions

    func run() async throws {
        let text = try promptText()
        let answer = AnswerWriter()
        let socket = sockets.paths.http
        // Loading options describe a model in this process, so they ask for one.
        let wantsOwn = local || loading.precision != .int8 || loading.isa != nil || loading.context != nil || loading.threads != nil
        if !wantsOwn, let daemon = try await DaemonClient.connect(socket, serving: model) {
            try await askDaemon(daemon, text, answer)
        } else {
            try await askOwnModel(text, answer)
        }
    }

    private func promptText() throws -> String {
        var parts = [prompt].compactMap { $0 }
        if isatty(0) == 0 {
            let data = FileHandle.standardInput.readDataToEndOfFile()
            guard let piped = String(validating: data, as: UTF8.self) else {
                throw Failure(status: 65, message: "standard input is not valid UTF-8")
            }
            if piped.contains(where: { !$0.isWhitespace }) { parts.append(piped) }
        }
        guard parts.contains(where: { part in part.contains { !$0.isWhitespace } }) else {
            throw prompt == nil && isatty(0) == 1
                ? Failure.usage("no prompt: give one as an argument or pipe it in") : Failure(status: 65, message: "the prompt is empty")
        }
        return parts.joined(separator: "\n\n")
    }

    private func askOwnModel(_ text: String, _ answer: AnswerWriter) async throws {
        let loaded = try loading.load(try ModelLocator.resolve(model))
        var parameters = SamplingParameters(defaults: loaded.generationDefaults)
        if let value = sampling.temperature { parameters.temperature = value }
        if let value = sampling.topK { parameters.topK = value }
        if let value = sampling.topP { parameters.topP = value }
        parameters.seed = sampling.seed
        let prompt: Prompt = raw || loaded.chatTemplate == nil
            ? .text(text, parseSpecial: false) : .chat(ChatPrompt(user: text, system: system))
        let generation = try loaded.generate(TextRequest(prompt: prompt, maxTokens: sampling.maxTokens, sampling: parameters))
        let interrupt = Interrupt { generation.cancel() }
        defer { withExtendedLifetime(interrupt) {} }
        for await event in generation {
            switch event {
            case .started, .progress, .promptLogprobs, .logprobs: break
            case .text(let piece, _):
                if try answer.write(piece) == .closed { generation.cancel() }
            case .finished(let reason, let usage, let timings):
                try answer.end()
                answer.report(usage: usage, timings: timings, model: loaded.info.id)
                if reason == .cancelled, !answer.isClosed { throw Failure.interrupted }
            case .failed(let error): throw error
            }
        }
    }

    private func askDaemon(_ daemon: DaemonClient, _ text: String, _ answer: AnswerWriter) async throws {
        var body = JSONObject()
        if raw {
            body.append("prompt", .string(text))
        } else {
            var messages: [JSONValue] = []
            if let system { messages.append(["role": "system", "content": .string(system)]) }
            messages.append(["role": "user", "content": .string(text)])
            body.append("messages", .array(messages))
        }
        if let value = sampling.maxTokens { body.append("max_tokens", .int(Int64(value))) }
        if let value = sampling.temperature { body.append("temperature", .double(Double(value))) }
        if let value = sampling.topK { body.append("top_k", .int(Int64(value))) }
        if let value = sampling.topP { body.append("top_p", .double(Double(value))) }
        if let value = sampling.seed { body.append("seed", .int(Int64(bitPattern: value))) }
        body.append("stream", true)
        body.append("stream_options", ["include_usage": true])
        let path = raw ? "/v1/completions" : "/v1/chat/completions"
        let isInterrupted = InterruptFlag()
        let task = Task {
            try await daemon.stream(path, .object(body)) { event in
                let choice = event["choices"]?.arrayValue?.first
                if let piece = (choice?["delta"]?["content"] ?? choice?["text"])?.stringValue {
                    if try answer.write(piece) == .closed { return false }
                }
                if let timings = event["timings"] { answer.timings = timings }
                return true
            }
        }
        let interrupt = Interrupt {
            isInterrupted.set()
            task.cancel()
        }
        defer { withExtendedLifetime(interrupt) {} }
        let outcome = await task.result
        try answer.end()
        if isInterrupted.isSet { throw Failure.interrupted }
        try outcome.get()
        answer.reportDaemon(model: daemon.modelID)
    }
}
