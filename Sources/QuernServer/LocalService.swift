// The daemon's HTTP surface without a daemon: the same routes over socket pairs inside this process.
//
// Commands that find no daemon load the model themselves and speak to this, so that there is one way to ask and every
// request field works in both. Nothing is in the file system; nobody else can connect.
import Glibc
import Logging
import NIOCore
import NIOPosix
import Quern
import QuernTensor

public final class LocalService: Sendable {
    private let surface: HTTPSurface
    private let group: MultiThreadedEventLoopGroup

    /// - Parameter device: the device in use, which figures are held against.
    /// - Throws: when the system would not start its threads.
    public init(
        _ model: LoadedModel, version: String, limits: ServerLimits = ServerLimits(), device: DeviceWalls? = nil
    ) throws(SystemError) {
        // The event loops, those that compile, and one that serves.
        try WorkerPool.require(threads: System.coreCount + 3, for: "answering")
        group = .singleton
        // The command reports errors itself; a second report by the service would only confuse.
        let silent = Logger(label: "quern") { _ in SwiftLogNoOpLogHandler() }
        surface = HTTPSurface(
            Surface(models: ModelRegistry(model, logger: silent), limits: limits, version: version, device: device), logger: silent)
    }

    /// A connected stream socket, whose other end is served until either side closes. The caller owns it.
    public func connect() throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError(call: "socketpair", subject: "in-process service")
        }
        let serverEnd = ends[1]
        Task {
            let connection = try await ClientBootstrap(group: group)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .withConnectedSocket(serverEnd) { [surface] in surface.prepare($0) }
            await surface.serve(connection)
        }
        return ends[0]
    }
}
