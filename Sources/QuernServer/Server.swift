// The daemon: both sockets over one event loop, from ready to drained.
//
// Invariant: the sockets are bound only while the endpoint's lock is held, and unlinked before it is released.
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Quern
import ServiceLifecycle
import UnixSignals

public enum QuernServer {
    /// Serves until SIGTERM or SIGINT, then finishes live requests and returns.
    ///
    /// - Parameters:
    ///   - endpoint: paths whose lock is held; closed before returning.
    ///   - page: where to listen for browsers of this machine, if anywhere.
    ///   - device: the machine's limits, for the page.
    ///   - onReady: called once the HTTP socket accepts connections.
    public static func run(
        _ model: LoadedModel, at endpoint: SocketEndpoint, version: String, limits: ServerLimits = ServerLimits(),
        page: LoopbackAddress? = nil, device: DeviceWalls? = nil, logger: Logger, signals: [UnixSignal] = [.sigterm, .sigint],
        onReady: @escaping @Sendable () -> Void = {}
    ) async throws {
        umask(0o177)        // the sockets are their owner's alone from the moment they are bound
        let backend = Backend(model: model, limits: limits, version: version, device: device)
        let ledger = ConnectionLedger(limit: limits.connections, limitPerUser: limits.connectionsPerUser)
        // One loop is ample for a local daemon and leaves the processors to the kernels.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let responder = backend.makeRouter().buildResponder()
        func application(_ responder: some HTTPResponder<QuernRequestContext>, at address: BindAddress, ready: @escaping @Sendable () -> Void)
            -> any Service
        {
            Application(
                responder: responder,
                server: .http1(
                    configuration: HTTP1Channel.Configuration(
                        additionalChannelHandlers: [FlushBeforeClose(), ConnectionGuard(limits: limits, ledger: ledger)],
                        httpDecoderConfiguration: .init(
                            maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                            maxHeaderFieldCount: limits.headerCount))),
                configuration: ApplicationConfiguration(address: address, backlog: 512), onServerRunning: { _ in ready() },
                eventLoopGroupProvider: .shared(group), logger: logger.quieter)
        }
        var services: [any Service] = [
            application(responder, at: .unixDomainSocket(path: endpoint.paths.http)) {
                logger.notice("ready", metadata: ["socket": "\(endpoint.paths.http)", "model": "\(model.info.id)"])
                onReady()
            },
            PipeServer(backend: backend, endpoint: endpoint, group: group, logger: logger),
        ]
        if let page {
            services.append(
                application(PageResponder(address: page, api: responder), at: .hostname(page.host, port: page.port)) {
                    logger.notice("page", metadata: ["url": "\(page.url)"])
                })
        }
        var configuration = ServiceGroupConfiguration(services: services, gracefulShutdownSignals: signals, logger: logger.quieter)
        configuration.maximumGracefulShutdownDuration = .seconds(30)
        let running = ServiceGroup(configuration: configuration)
        let outcome = await Result { try await running.run() }
        logger.notice("draining")
        await model.drain()
        endpoint.close()
        try await group.shutdownGracefully()
        try outcome.get()
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}

extension Logger {
    /// For libraries whose `info` is our `debug`.
    fileprivate var quieter: Logger {
        var copy = self
        copy.logLevel = logLevel <= .debug ? logLevel : .warning
        return copy
    }
}
