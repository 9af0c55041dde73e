// What a request handler may use: the model, limits, and the connection it answers on.
import Hummingbird
import Logging
import NIOCore
import Quern
import QuernEngine

/// Settings of the HTTP surface.
public struct ServerLimits: Sendable {
    public var bodyBytes = 32 << 20
    public var headerBytes = 32 << 10
    public var headerCount = 100
    public var pingInterval = Duration.seconds(10)
    public var pipeIdleTimeout = Duration.seconds(10)

    public init() {}
}

struct QuernRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// The model behind the routes.
struct Backend: Sendable {
    let model: LoadedModel
    let limits: ServerLimits
    let version: String

    var fingerprint: String { "quern-\(version)-\(model.info.precision.rawValue)-\(model.info.instructionSet)" }
}
