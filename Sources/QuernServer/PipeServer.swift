// The raw pipe socket: bytes until half-close are the prompt, the answer comes back as plain text, then the connection
// closes. A protocol of its own on a path of its own, so that nothing is guessed from first bytes. A first line
// `#quern {…}` holds options (see PipeRequest).
//
// Invariants: an error is one line starting with `quern: ` and only when no text was sent; a client that closes cancels,
// a client that half-closes does not; no sequence is queued before the prompt is complete.
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Quern
import QuernAPI
import QuernEngine

struct PipeServer: Sendable {
    let surface: Surface
    let logger: Logger

    typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    func prepare(_ channel: any Channel) -> EventLoopFuture<Connection> {
        channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
    }

    func serve(_ connection: Connection) async {
        do {
            try await connection.executeThenClose { inbound, outbound in
                do {
                    let bytes = try await read(inbound, connection.channel)
                    let request = try PipeRequest(bytes)
                    let lease = try await surface.models.lease(request.model)
                    let outcome = await Result { try await answer(request, surface.backend(lease), connection.channel, outbound) }
                    await lease.end()
                    try outcome.get()
                } catch let error as PipeError {
                    try await outbound.write(ByteBuffer(string: "quern: \(error.message)\n"))
                } catch let error as APIError {
                    try await outbound.write(ByteBuffer(string: "quern: \(error.message)\n"))
                } catch let error as RequestError {
                    try await outbound.write(ByteBuffer(string: "quern: \(error)\n"))
                } catch let error as ModelLoadFailure {
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
    private func read(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ channel: any Channel) async throws -> [UInt8] {
        let limits = surface.limits
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
        return bytes
    }

    private func answer(
        _ request: PipeRequest, _ backend: Backend, _ channel: any Channel,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        let peer = try? await PeerCredentials.of(channel).get()
        let logger = logger.naming(peer).naming(backend.model.device)
        let generation = try backend.model.generate(await backend.request(request, from: Sender(userID: peer?.userID)))
        let delivery = Task {
            var hasWritten = false
            for await event in generation {
                switch event {
                case .started, .progress, .promptLogprobs, .logprobs, .stopped: break
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
        // Cancelling the task cancels the generation, and ends a wait for a device's pace.
        channel.closeFuture.whenComplete { _ in delivery.cancel() }
        try await withTaskCancellationHandler { try await delivery.value } onCancel: { delivery.cancel() }
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
