// The registry's part in the daemon's life: models of the start, then idle ones.
import ServiceLifecycle

struct Readiness: Service {
    let models: ModelRegistry
    let onReady: @Sendable () -> Void

    /// - Throws: what loading one of the first models throws; the daemon then ends.
    func run() async throws {
        do {
            try await models.loadFirst()
        } catch {
            guard models.isDraining else { throw error }
            return      // told to end before it began
        }
        onReady()
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .seconds(1))) != nil { await models.unloadIdle() }
        }
    }
}
