// The raw pipe socket: bytes until half-close are the prompt, the answer comes back as plain text, then the connection
// closes. A protocol of its own on a path of its own, so that nothing is guessed from first bytes.
//
// Invariants: an error is one line starting with `quern: ` and only when no text was sent; a client that closes cancels,
// a client that half-closes does not; no sequence is queued before the prompt is complete.
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Quern
import QuernAPI
import QuernEngine
import ServiceLifecycle

struct PipeServer: Service {
    let backend: Backend
    let endpoint: SocketEndpoint
    let group: any EventLoopGroup
    let logger: Logger

    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    func run() async throws {
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 512)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(unixDomainSocketPath: endpoint.paths.pipe, cleanupExistingSocketFile: true) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
            }
        logger.notice("pipe socket ready", metadata: ["socket": "\(endpoint.paths.pipe)"])
        try await withGracefulShutdownHandler {
            try await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { tasks in
                    for try await connection in connections {
                        tasks.addTask { await serve(connection) }
                    }
                }
            }
        } onGracefulShutdown: {
            server.channel.close(promise: nil)
        }
    }

    private func serve(_ connection: Connection) async {
        do {
            try await connection.executeThenClose { inbound, outbound in
                do {
                    let prompt = try await readPrompt(inbound, connection.channel)
                    try await answer(prompt, connection.channel, outbound)
                } catch let error as PipeError {
                    try await outbound.write(ByteBuffer(string: "quern: \(error.message)\n"))
                } catch let error as RequestError {
                    try await outbound.write(ByteBuffer(string: "quern: \(error)\n"))
                }
            }
        } catch {
            logger.debug("pipe connection ended", metadata: ["error": "\(error)"])
        }
    }

    private struct PipeError: Error {
        let message: String
    }

    /// Everything up to the half-close; nothing for the idle timeout ends the wait.
    private func readPrompt(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ channel: any Channel) async throws -> String {
        let limits = backend.limits
        var bytes: [UInt8] = []
        let idle = IdleTimer(limits.pipeIdleTimeout, channel)
        defer { idle.stop() }
        for try await part in inbound {
            idle.restart()
            guard bytes.count + part.readableBytes <= limits.bodyBytes else {
                throw PipeError(message: "the prompt exceeds the limit of \(limits.bodyBytes) bytes")
            }
            bytes += part.readableBytesView
        }
        if idle.hasFired { throw PipeError(message: "no prompt came for \(limits.pipeIdleTimeout)") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PipeError(message: "the prompt is not valid UTF-8")
        }
        guard text.contains(where: { !$0.isWhitespace }) else { throw PipeError(message: "the prompt is empty") }
        return text
    }

    private func answer(_ text: String, _ channel: any Channel, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws {
        let model = backend.model
        let prompt = model.chatTemplate != nil ? Prompt.chat(ChatPrompt(user: text)) : .text(text, parseSpecial: false)
        let generation = try model.generate(
            TextRequest(prompt: prompt, sampling: SamplingParameters(defaults: model.generationDefaults)))
        channel.closeFuture.whenComplete { _ in generation.cancel() }
        var hasWritten = false
        for await event in generation {
            switch event {
            case .started, .progress, .promptLogprobs, .logprobs: break
            case .text(let piece, _) where !piece.isEmpty:
                hasWritten = true
                try await outbound.write(ByteBuffer(string: piece))
            case .text: break
            case .finished(let reason, let usage, let timings): logger.logCompletion(reason, usage, timings)
            case .failed(let error):
                logger.error("pipe request failed", metadata: ["error": "\(error)"])
                if !hasWritten { throw error }
            }
        }
    }
}

/// Ends the input of a connection that stays silent for too long.
private final class IdleTimer: Sendable {
    private let timeout: TimeAmount
    private let channel: any Channel
    private let state: NIOLockedValueBox<(task: Scheduled<Void>?, fired: Bool)>

    init(_ timeout: Duration, _ channel: any Channel) {
        self.timeout = TimeAmount(timeout)
        self.channel = channel
        state = NIOLockedValueBox((nil, false))
        restart()
    }

    var hasFired: Bool { state.withLockedValue { $0.fired } }

    func restart() {
        let task = channel.eventLoop.scheduleTask(in: timeout) { [state, channel] in
            state.withLockedValue { $0.fired = true }
            channel.close(mode: .input, promise: nil)
        }
        state.withLockedValue { state in
            state.task?.cancel()
            state.task = task
        }
    }

    func stop() {
        state.withLockedValue { $0.task?.cancel() }
    }
}
