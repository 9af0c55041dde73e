import ArgumentParser
import Foundation
import Glibc
import QuernJSON
import QuernServer
import Synchronization

/// A conversation at the terminal.
struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with the model; it remembers the conversation.",
        discussion: """
            A line is a message; a backslash at its end continues it on the next. Ctrl-C stops the answer, Ctrl-D leaves. \
            Lines that begin with a slash are commands: /help lists them.

            Examples:
              quern chat
              quern chat --system "You are a terse assistant." --temperature 0
              rlwrap quern chat                        line editing and a history of lines
              printf 'Hello\\nWhat did I say?\\n' | quern chat
            """)

    @OptionGroup var generation: GenerationOptions
    @OptionGroup var options: ServiceOptions

    private static let commands = """
        /clear          forget the conversation
        /system TEXT    set the system message and forget the conversation
        /retry          answer the last message again
        /help           this list
        /exit           leave (also Ctrl-D)
        """

    func validate() throws {
        if generation.raw { throw ValidationError("a conversation needs the chat template; --raw is for `quern run`") }
    }

    func run() async throws {
        let service = try await options.connect(maxSequences: 1)
        guard service.hasChatTemplate else { throw Failure(status: 65, message: "\(service.modelID) has no chat template") }
        var conversation = Conversation(service: service, generation: generation)
        let isTerminal = isatty(0) == 1
        if isTerminal { Terminal.note("\(service.modelID); /help lists commands, Ctrl-D leaves") }
        let lines = RecordReader()
        let answering = CurrentAnswer()
        let interrupts = try CaughtSignals([SIGINT])
        interrupts.forward { _, _ in
            if !answering.cancel() { Terminal.write("\n(Ctrl-D or /exit leaves)\n> ") }
        }
        defer { withExtendedLifetime(interrupts) {} }
        while let message = try await Self.message(lines, prompts: isTerminal) {
            switch message.prefix(while: { !$0.isWhitespace }) {
            case "/exit", "/quit": return
            case "/help": Terminal.note(Self.commands)
            case "/clear": conversation.clear()
            case "/system":
                conversation.generation.system = message.dropFirst(7).trimmingCharacters(in: .whitespaces)
                conversation.clear()
            case "/retry": if conversation.forgetAnswer() { try await conversation.answer(answering) }
            case let word where word.hasPrefix("/"): Terminal.note("no command \(word); /help lists them")
            case "": continue
            default:
                conversation.add(message)
                try await conversation.answer(answering)
            }
        }
        if isTerminal { Terminal.note("") }
    }

    /// The next message, of one or several lines; nil at the end.
    private static func message(_ lines: RecordReader, prompts: Bool) async throws -> String? {
        var message = ""
        while true {
            if prompts { Terminal.write(message.isEmpty ? "> " : "… ") }
            guard let line = try await lines.next() else { return message.isEmpty ? nil : message }
            let text = String(decoding: line, as: UTF8.self)
            guard text.hasSuffix("\\") else { return message + text }
            message += text.dropLast() + "\n"
        }
    }
}

/// The messages so far.
private struct Conversation {
    let service: Service
    var generation: GenerationOptions
    private var messages: [JSONValue] = []

    init(service: Service, generation: GenerationOptions) {
        self.service = service
        self.generation = generation
    }

    mutating func clear() { messages = [] }
    mutating func add(_ text: String) { messages.append(["role": "user", "content": .string(text)]) }

    /// Removes the last answer; false when nothing was asked yet.
    mutating func forgetAnswer() -> Bool {
        if messages.last?["role"] == "assistant" { messages.removeLast() }
        return !messages.isEmpty
    }

    /// Streams the answer to the last message. Ctrl-C keeps what came; a failure takes the message back.
    mutating func answer(_ current: CurrentAnswer) async throws {
        let call = generation.chat(messages, to: service, priority: "interactive")
        let writer = AnswerWriter()
        do {
            try await current.run { _ = try await call.stream { try writer.write($0) == .written } }
        } catch is CancellationError {
            Terminal.note(" [stopped]")
        } catch let failure as Failure {
            try writer.end()
            Terminal.note("quern: \(failure.message)")
            messages.removeLast()
            return
        }
        try writer.end()
        if writer.isClosed { throw Failure.closed }
        messages.append(["role": "assistant", "content": .string(writer.text)])
    }
}

/// The answer that Ctrl-C stops, if there is one.
private final class CurrentAnswer: Sendable {
    private let task = Mutex<Task<Void, any Error>?>(nil)

    func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let running = Task { try await body() }
        task.withLock { $0 = running }
        defer { task.withLock { $0 = nil } }
        let result = await running.result
        if running.isCancelled { throw CancellationError() }
        try result.get()
    }

    /// False when nothing is being answered.
    func cancel() -> Bool {
        task.withLock { task in
            task?.cancel()
            return task != nil
        }
    }
}
