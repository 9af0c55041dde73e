// Accepts connections on one listening socket and serves each in a task of its own, from start to graceful end.
//
// Invariant: a graceful shutdown stops accepting, lets idle connections go, and returns when the busy ones are done; connections
// that are left when it is cut short end with the event loop group.
import Glibc
import Logging
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

struct ConnectionService<Connection: Sendable>: Service {
    /// A listening socket; closed when the service ends.
    let descriptor: Int32
    let group: any EventLoopGroup
    let logger: Logger
    /// Prepares an accepted channel, on its event loop.
    let prepare: @Sendable (any Channel) -> EventLoopFuture<Connection>
    let serve: @Sendable (Connection) async -> Void

    func run() async throws {
        let quiescing = ServerQuiescingHelper(group: group)
        let listener = try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        AcceptPause(logger: logger), quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                // A task at once: a prepared connection must be served, even if the service ends in this moment.
                prepare(channel).map { connection in _ = Task { await serve(connection) } }
            }
            .withBoundSocket(descriptor).get()
        Glibc.listen(descriptor, SocketEndpoint.backlog)    // NIO has set its own length on a socket that was not its
        let ended = listener.eventLoop.makePromise(of: Void.self)
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await ended.futureResult.get()
            } onGracefulShutdown: {
                quiescing.initiateShutdown(promise: ended)
            }
        } onCancel: {
            listener.close(promise: nil)
            ended.fail(CancellationError())
        }
    }
}
