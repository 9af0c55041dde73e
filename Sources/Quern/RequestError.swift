// What can be wrong with a request, in terms its sender understands.
import QuernEngine

public enum RequestError: Error, Sendable, Equatable, CustomStringConvertible {
    case contextLengthExceeded(prompt: Int, limit: Int)
    case queueFull(limit: Int)
    /// One user has too many requests waiting.
    case ownerQueueFull(limit: Int)
    case queueTimeout(seconds: Int)
    case memoryShort
    case shuttingDown
    case emptyPrompt
    case noTokenizer
    case noChatTemplate(String)
    case templateFailed(message: String)
    /// `code` tells programs more than the message does; nil for most.
    case invalid(param: String, message: String, code: String? = nil)
    case failed(message: String)

    init(_ error: EngineError) {
        switch error {
        case .emptyPrompt: self = .emptyPrompt
        case .contextLengthExceeded(let prompt, let limit): self = .contextLengthExceeded(prompt: prompt, limit: limit)
        case .tokenOutOfRange: self = .invalid(param: "prompt", message: error.description)
        case .queueFull(let limit): self = .queueFull(limit: limit)
        case .ownerQueueFull(let limit): self = .ownerQueueFull(limit: limit)
        case .queueTimeout(let seconds): self = .queueTimeout(seconds: seconds)
        case .memoryShort: self = .memoryShort
        case .shuttingDown: self = .shuttingDown
        case .numericFault, .constraintStuck, .guidanceMismatch, .unknownInstructionSet, .contextOutOfRange: self = .failed(message: error.description)
        }
    }

    public var description: String {
        switch self {
        case .contextLengthExceeded(let prompt, let limit):
            "the prompt has \(prompt) tokens; the context holds \(limit), of which one must remain for the answer"
        case .queueFull(let limit): "the queue holds its limit of \(limit) requests; try again later"
        case .ownerQueueFull(let limit): "you have \(limit) requests waiting, which is the limit; try again later"
        case .queueTimeout(let seconds): "the request waited \(seconds) seconds and was not started; try again later"
        case .memoryShort: "the machine is short of memory, and what runs is finished first; try again later"
        case .shuttingDown: "the daemon is shutting down"
        case .emptyPrompt: "the prompt is empty"
        case .noTokenizer: "the model has no tokenizer; only token prompts work"
        case .noChatTemplate(let problem): problem
        case .templateFailed(let message): "the chat template failed: \(message)"
        case .invalid(_, let message, _): message
        case .failed(let message): message
        }
    }
}
