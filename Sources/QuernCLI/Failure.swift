// Errors to messages and exit codes.
import ArgumentParser
import Foundation
import Glibc
import Quern
import QuernAPI
import QuernBatch
import QuernCheckpoint
import QuernEngine
import QuernMeasure
import QuernPlanner
import QuernServer
import QuernTensor
import QuernTokenizer

/// A failure of the command line itself, with its documented exit status.
struct Failure: Error {
    let status: Int32
    let message: String

    static func usage(_ message: String) -> Failure { Failure(status: 2, message: message) }
    static func missing(_ message: String) -> Failure { Failure(status: 66, message: message) }
    static func noDaemon(_ message: String) -> Failure { Failure(status: 69, message: message) }
    static func output(_ message: String) -> Failure { Failure(status: 74, message: message) }
    static func general(_ message: String) -> Failure { Failure(status: 1, message: message) }
    static let interrupted = Failure(status: 130, message: "")
    /// The reader of standard output has gone, which is a success.
    static let closed = Failure(status: 0, message: "")
    /// Some lines of the input failed; each was reported on its own.
    static let partial = Failure(status: 3, message: "")

    /// Prints the message and ends the process.
    static func report(_ error: any Error) -> Never {
        let (status, message) = describe(error)
        if !message.isEmpty { Terminal.note("quern: \(message)") }
        exit(status)
    }

    private static func describe(_ error: any Error) -> (Int32, String) {
        switch error {
        case let error as Failure: return (error.status, error.message)
        case let error as CheckpointError: return (status(error.code), error.description)
        case let error as TokenizerError: return (65, error.description)
        case let error as ProfileError: return (65, error.description)
        case let error as PlanError: return (2, error.description)
        case let error as EngineError: return (1, error.description)
        case let error as APIError: return (error.status == 507 ? 4 : 1, error.message)
        case let error as RequestError: return (status(error), error.description)
        case let error as ConfigurationError: return (78, error.description)
        case let error as SocketError: return (status(error), error.description)
        case let error as MeasureError: return (2, error.description)
        case let error as BatchError: return (status(error.kind), error.description)
        case let error as SystemError: return (status(error), error.description)
        case is CancellationError: return (130, "interrupted")
        default: return parserMessage(error)
        }
    }

    private static func parserMessage(_ error: any Error) -> (Int32, String) {
        let code = Quern.exitCode(for: error)
        let text = Quern.fullMessage(for: error)
        if code == .success {
            print(text)         // --help and --version
            exit(0)
        }
        if code == .validationFailure {
            let body = text.hasPrefix("Error: ") ? String(text.dropFirst(7)) : text
            return (2, body)
        }
        return (1, "\(error)")
    }

    private static func status(_ code: CheckpointError.Code) -> Int32 {
        switch code {
        case .missing, .unreadable: 66
        case .malformed, .unsupported, .inconsistent: 65
        case .io: 74
        }
    }

    private static func status(_ error: SystemError) -> Int32 {
        switch error.code {
        case EACCES, EPERM: 77
        case EAGAIN: 71
        default: 74
        }
    }

    private static func status(_ kind: BatchError.Kind) -> Int32 {
        switch kind {
        case .malformed: 65
        case .notAFile: 2
        case .busy: 75
        case .system: 74
        }
    }

    private static func status(_ error: RequestError) -> Int32 {
        switch error {
        case .emptyPrompt: 65
        case .queueFull, .ownerQueueFull, .queueTimeout, .memoryShort, .shuttingDown: 75
        default: 1
        }
    }

    private static func status(_ error: SocketError) -> Int32 {
        switch error {
        case .alreadyRunning: 75
        case .pathTooLong, .abstractName, .directory, .notASocket, .occupied, .activation, .system: 78
        }
    }
}
