// What a request handler may use: the model, limits, and the connection it answers on.
import Foundation
import Hummingbird
import Logging
import NIOCore
import Quern
import QuernEngine

/// Settings of the HTTP surface.
public struct ServerLimits: Sendable {
    public var requestLineBytes = 8 << 10
    public var headerBytes = 32 << 10
    public var headerCount = 100
    public var bodyBytes = 32 << 20
    /// From the first byte of a request to the end of its head.
    public var headerTimeout = Duration.seconds(10)
    /// Longest pause in a body, and the slack of a slow one.
    public var bodyIdleTimeout = Duration.seconds(10)
    /// Least average speed of a body.
    public var bodyBytesPerSecond = 16 << 10
    public var keepAliveTimeout = Duration.seconds(75)
    /// How long an answer may wait for a reader that does not read.
    public var stalledReaderTimeout = Duration.seconds(30)
    public var connections = 1024
    public var connectionsPerUser = 256
    public var pingInterval = Duration.seconds(10)
    public var pipeIdleTimeout = Duration.seconds(10)
    public var batches = BatchLimits()
    /// How long live requests may take once the daemon was told to end.
    public var drainTimeout = Duration.seconds(30)

    public init() {}
}

struct QuernRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let findConnection: @Sendable () async throws -> Connection
    /// Models that must stay until the answer has been written.
    let leases = Leases()

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        let channel = source.channel
        findConnection = {
            try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.handler(type: ConnectionGuard.self).connection
            }.get()
        }
    }

    /// A request that came on no socket.
    init(on connection: Connection, logger: Logger) {
        coreContext = CoreRequestContextStorage(source: Unconnected(logger: logger))
        findConnection = { connection }
    }

    private struct Unconnected: RequestContextSource {
        let logger: Logger
    }

    /// The connection of this request.
    func connection() async throws -> Connection { try await findConnection() }

    /// Work that nobody needs once the client is gone: then it is cancelled.
    func whileConnected<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let task = Task { try await body() }
        try await connection().whenClosed { task.cancel() }
        return try await task.value
    }
}

/// What the routes answer for: all models, and what is counted about them.
struct Surface: Sendable {
    let models: ModelRegistry
    let engines = EngineWatch()
    let limits: ServerLimits
    let version: String
    /// The device in use: the one that was named, else this host once it was measured.
    var device: DeviceWalls?
    /// Files and batches; nil where there are none.
    var batches: BatchStore?
    let metrics = Metrics()
    /// For schemas that are only checked.
    let checking = CompileExecutor()
    /// In seconds since 1970.
    let started = Date().timeIntervalSince1970

    /// The model a request names, else the first; it stays loaded until the answer has been written.
    func backend(_ name: String?, _ context: QuernRequestContext) async throws -> Backend {
        let lease = try await models.lease(name)
        context.leases.add(lease)
        return backend(lease)
    }

    func backend(_ lease: ModelLease) -> Backend {
        Backend(model: lease.model, limits: limits, version: version, metrics: metrics, roofline: device?.readBandwidth)
    }
}

/// The model that answers a request.
struct Backend: Sendable {
    let model: LoadedModel
    let limits: ServerLimits
    let version: String
    let metrics: Metrics
    /// Bytes per second that the device in use reads at most.
    var roofline: Double?

    var fingerprint: String { "quern-\(version)-\(model.info.precision.rawValue)-\(model.info.instructionSet)" }

    func recorder(_ logger: Logger) -> AnswerRecorder {
        AnswerRecorder(logger: logger.naming(model.device), metrics: metrics, roofline: roofline, device: model.device)
    }
}
