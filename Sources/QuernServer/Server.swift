// The daemon: both sockets over one event loop, from ready to drained.
//
// Invariant: the sockets have names only while the endpoint's lock is held; the names go before the lock does.
import Glibc
import Logging
import NIOCore
import NIOPosix
import Quern
import ServiceLifecycle

public enum QuernServer {
    /// Serves until SIGTERM or SIGINT, then finishes live requests and returns. A second signal ends the process at once.
    ///
    /// - Parameters:
    ///   - models: at least one, with distinct names; the first answers requests that name none.
    ///   - memoryBudget: most bytes that models may take together.
    ///   - endpoint: paths whose lock is held; the caller gives it up afterwards.
    ///   - page: where to listen for browsers of this machine, if anywhere.
    ///   - device: the device in use, which figures are held against.
    ///   - state: where files and batches are kept.
    /// - Throws: what loading a model at start throws, or what keeps the sockets from being opened.
    public static func run(
        _ models: [ModelSpecification], memoryBudget: Int, at endpoint: SocketEndpoint, version: String,
        limits: ServerLimits = ServerLimits(), page: LoopbackAddress? = nil, device: DeviceWalls? = nil,
        state: StateDirectory, logger: Logger, notifier: ServiceNotifier
    ) async throws {
        DescriptorLimit.raise()
        // One loop is ample for a local daemon and leaves the processors to the kernels.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let signals = try CaughtSignals([SIGTERM, SIGINT])     // before anybody can connect and think us ready
        let pageListener = try page?.listen()
        let listeners = try endpoint.listen()
        let registry = ModelRegistry(models, budget: memoryBudget, logger: logger)
        let names = models.map(\.name).joined(separator: ", ")
        let readiness = Readiness(models: registry) {
            logger.notice(
                "ready",
                metadata: [
                    "socket": "\(endpoint.paths.http)", "pipe": "\(listeners.pipe == nil ? "none" : endpoint.paths.pipe)",
                    "models": "\(names)",
                ])
            notifier.ready("serving \(names)")
        }
        notifier.loading(names)
        let store = BatchStore(state, limits: limits.batches, logger: logger)
        let surface = Surface(models: registry, limits: limits, version: version, device: device, batches: store)
        let web = HTTPSurface(surface, logger: logger)
        let http = ConnectionService(descriptor: listeners.http, group: group, logger: logger, prepare: web.prepare, serve: web.serve)
        let pipe = listeners.pipe.map { descriptor in
            let pipe = PipeServer(surface: surface, logger: logger)
            return ConnectionService(descriptor: descriptor, group: group, logger: logger, prepare: pipe.prepare, serve: pipe.serve)
        }
        let browser = pageListener.map { descriptor in
            let web = HTTPSurface(surface, page: page, logger: logger)
            logger.notice("page", metadata: ["url": "\(page?.url ?? "")"])
            return ConnectionService(descriptor: descriptor, group: group, logger: logger, prepare: web.prepare, serve: web.serve)
        }
        let watch = NameWatch(listeners: listeners, logger: logger)
        let batches = BatchRunner(store: store, client: RowClient(surface, logger: logger), logger: logger)
        let services: [(any Service)?] = [http, pipe, browser, watch, readiness, batches]
        let together = Together(services: services.compactMap { $0 })
        var configuration = ServiceGroupConfiguration(services: [together], logger: logger.quieter)
        // A last second for what is left of answers that were cut off.
        configuration.maximumGracefulShutdownDuration = limits.drainTimeout + .seconds(1)
        let running = ServiceGroup(configuration: configuration)
        signals.forward { number, count in
            guard count == 1 else {
                listeners.unlink()
                endpoint.close()
                _exit(128 + number)
            }
            logger.notice("draining")
            notifier.stopping()
            Task { await running.triggerGracefulShutdown() }
            Task { await registry.drain(within: limits.drainTimeout) }
        }
        let watching = Task { await surface.engines.run(registry, logger: logger) }
        let memory = Task { await MemoryWatch().run(registry, logger: logger) }
        // Until the last answer: the event loop that serves everybody has to take part, and the engines have to get on.
        let pulse = Task {
            await notifier.keepAlive {
                (try? await group.any().submit {}.get()) != nil && surface.engines.stalled.isEmpty
            }
        }
        let outcome = await Result { try await running.run() }
        watching.cancel()
        memory.cancel()
        pulse.cancel()
        listeners.unlink()
        try await group.shutdownGracefully()        // what still is connected has had its time
        await registry.drain(within: .zero)
        withExtendedLifetime(signals) {}
        try outcome.get()
    }
}

/// Services that begin and end at the same time; a service group would end them one after the other.
private struct Together: Service {
    let services: [any Service]

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for service in services { tasks.addTask { try await service.run() } }
            while try await tasks.next() != nil {}      // the first error ends them all
        }
    }
}

/// Says when the daemon can no longer be reached because somebody removed or replaced a socket's name.
private struct NameWatch: Service {
    let listeners: Listeners
    let logger: Logger

    func run() async {
        await cancelWhenGracefulShutdown {
            var known: [String] = []
            while (try? await Task.sleep(for: .seconds(2))) != nil {
                let lost = listeners.lostNames
                for path in lost where !known.contains(path) {
                    logger.error("socket name lost: nobody can connect there; restart the daemon", metadata: ["socket": "\(path)"])
                }
                known = lost
            }
        }
    }
}

extension Result where Failure == any Error {
    /// What an asynchronous body returned or threw.
    init(_ body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
