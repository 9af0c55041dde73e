// The HTTP side of one connection: decoding, routing and answering, for accepted sockets and for pairs made in this process.
//
// Invariant: the models a request uses stay loaded until its answer has been written, or cannot be.
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes

struct HTTPSurface: Sendable {
    typealias Connection = HTTP1Channel.Value
    private let http: HTTP1Channel
    private let logger: Logger

    /// - Parameter page: the address of a loopback listener, which also shows the page and turns strangers away.
    init(_ surface: Surface, page: LoopbackAddress? = nil, logger: Logger) {
        let limits = surface.limits
        let routes = surface.makeRouter().buildResponder()
        let responder: any HTTPResponder<QuernRequestContext> = page.map { PageResponder(address: $0, api: routes) } ?? routes
        let ledger = ConnectionLedger(limit: limits.connections, limitPerUser: limits.connectionsPerUser)
        self.logger = logger
        http = HTTP1Channel(
            responder: { request, writer, channel in
                let context = QuernRequestContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
                let response: Response
                do {
                    response = try await responder.respond(to: request, context: context)
                } catch {
                    await context.leases.end()
                    throw error
                }
                do {
                    try await writer.write(response: response.head, body: response.body)
                } catch {
                    await context.leases.end()
                    throw error
                }
                await context.leases.end()
            },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [FlushBeforeClose(), ConnectionGuard(limits: limits, ledger: ledger)],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                    maxHeaderFieldCount: limits.headerCount)))
    }

    func prepare(_ channel: any Channel) -> EventLoopFuture<Connection> {
        http.setup(channel: channel, logger: logger.quieter).flatMapThrowing { [logger] connection in
            do {
                try ConnectionGuard.addRules(to: channel.pipeline.syncOperations)
            } catch {
                logger.critical("no connection can be served: the rules do not fit the library", metadata: ["error": "\(error)"])
                throw error
            }
            return connection
        }
    }

    func serve(_ connection: Connection) async { await http.handle(value: connection, logger: logger.quieter) }
}

extension Logger {
    /// For libraries whose `info` is our `debug`.
    var quieter: Logger {
        var copy = self
        copy.logLevel = logLevel <= .debug ? logLevel : .warning
        return copy
    }
}
