// The models a daemon serves by name: loaded on demand, unloaded when idle, together within one memory budget.
//
// Owns: which models are in memory, who uses them, what they cost. Does not own: requests, routes.
// Invariants: a model with live requests is never unloaded; a model is loaded at most once at a time; the estimates of what is
// loaded, loading and about to end never exceed the budget.
import Dispatch
import Logging
import Quern
import QuernAPI
import QuernEngine
import QuernJSON
import Synchronization

/// A model that may be asked for.
public struct ModelSpecification: Sendable {
    public let name: String
    public let path: String
    public let options: LoadOptions
    /// Memory it will need, in bytes.
    public let estimatedBytes: Int
    /// Unload after this time without a request; nil keeps it.
    public var idleUnload: Duration?
    /// Load at start instead of with the first request.
    public var preloads: Bool
    /// What its answers are compared with; nil when no device was named.
    public var device: TargetDevice?
    /// Why that device cannot hold it, with the ledger; nil when it can.
    public var refusal: String?

    public init(
        name: String, path: String, options: LoadOptions, estimatedBytes: Int, idleUnload: Duration? = nil, preloads: Bool = false
    ) {
        self.name = name
        self.path = path
        self.options = options
        self.estimatedBytes = estimatedBytes
        self.idleUnload = idleUnload
        self.preloads = preloads
    }
}

/// Why a model could not be loaded.
struct ModelLoadFailure: Error, CustomStringConvertible {
    let name: String
    let reason: any Error

    var description: String { "the model \"\(name)\" cannot be loaded: \(reason)" }
}

/// The right to use a model. `end` must be called once.
struct ModelLease: Sendable {
    let model: LoadedModel
    let end: @Sendable () async -> Void

    fileprivate init(model: LoadedModel, end: @escaping @Sendable () async -> Void) {
        self.model = model
        self.end = end
    }
}

actor ModelRegistry {
    private struct Entry {
        let specification: ModelSpecification
        var state = State.unloaded
        /// Requests that use the model or wait for it.
        var liveCount = 0
        var lastUse = ContinuousClock.now
    }

    private enum State {
        case unloaded
        case loading(Task<LoadedModel, any Error>)
        case loaded(LoadedModel)
        /// Given up; its memory is not free before the task ends.
        case ending(Task<Void, Never>)
    }

    private var entries: [Entry]
    /// Most bytes that models may take together.
    nonisolated let budget: Int
    private let logger: Logger
    private let clock = ContinuousClock()
    private let draining = Atomic<Bool>(false)
    private let ready = Atomic<Bool>(false)

    /// - Parameter specifications: at least one, with distinct names; the first is used by requests that name no model.
    init(_ specifications: [ModelSpecification], budget: Int, logger: Logger) {
        entries = specifications.map { Entry(specification: $0) }
        self.budget = budget
        self.logger = logger
    }

    /// One model that is loaded already and stays.
    init(_ model: LoadedModel, logger: Logger) {
        let specification = ModelSpecification(name: model.info.id, path: model.info.path, options: LoadOptions(), estimatedBytes: 0)
        entries = [Entry(specification: specification, state: .loaded(model))]
        budget = .max
        self.logger = logger
        ready.store(true, ordering: .releasing)
    }

    /// Whether everything that is loaded at start was loaded.
    nonisolated var isReady: Bool { ready.load(ordering: .acquiring) }
    /// No request is taken any more.
    nonisolated var isDraining: Bool { draining.load(ordering: .acquiring) }

    /// Loads what is to be loaded at start.
    /// - Throws: what loading throws.
    func loadFirst() async throws {
        do {
            for entry in entries where entry.specification.preloads { try await load(named: entry.specification.name) }
        } catch let failure as ModelLoadFailure {
            throw failure.reason
        }
        ready.store(true, ordering: .releasing)
    }

    /// A model that stays loaded until the lease ends.
    ///
    /// - Parameter name: nil takes the first model.
    /// - Throws: `APIError` 404 for a name nobody configured, 507 for a model that cannot fit, 503 when the models in use leave
    ///   no room; `ModelLoadFailure`.
    func lease(_ name: String?) async throws -> ModelLease {
        let index = try index(of: name)
        entries[index].liveCount += 1
        do {
            while true {
                guard !isDraining else { throw APIError(RequestError.shuttingDown) }
                switch entries[index].state {
                case .loaded(let model): return ModelLease(model: model) { await self.release(index) }
                case .loading(let task): _ = try await task.value
                case .ending(let task): await task.value
                case .unloaded: try startLoading(index)
                }
            }
        } catch {
            release(index)
            throw error
        }
    }

    private func release(_ index: Int) {
        entries[index].liveCount -= 1
        entries[index].lastUse = clock.now
    }

    private func index(of name: String?) throws(APIError) -> Int {
        guard let name else { return 0 }
        if let index = entries.firstIndex(where: { $0.specification.name.utf8.elementsEqual(name.utf8) }) { return index }
        let names = entries.map { "\"\($0.specification.name)\"" }.joined(separator: ", ")
        throw APIError(
            status: 404, type: "not_found_error", code: "model_not_found", param: "model",
            message: "there is no model \"\(name.prefix(128))\"; this daemon serves \(names)")
    }

    // MARK: Loading and unloading

    private func startLoading(_ index: Int) throws(APIError) {
        let specification = entries[index].specification
        let endings = try makeRoom(for: specification)
        entries[index].state = .loading(Task {
            for ending in endings { await ending.value }
            return try await load(index)
        })
    }

    private func load(_ index: Int) async throws -> LoadedModel {
        let specification = entries[index].specification
        logger.notice("loading", metadata: ["model": "\(specification.name)", "path": "\(specification.path)"])
        let start = clock.now
        do {
            // Loading blocks for seconds, which threads of the concurrency pool must not.
            let loaded: LoadedModel = try await withCheckedThrowingContinuation { continuation in
                DispatchQueue.global().async {
                    continuation.resume(with: Result {
                        try LoadedModel.load(
                            path: specification.path, name: specification.name, options: specification.options, device: specification.device)
                    })
                }
            }
            entries[index].state = .loaded(loaded)
            entries[index].lastUse = clock.now
            log(loaded, specification, clock.now - start)
            return loaded
        } catch {
            entries[index].state = .unloaded
            logger.error("loading failed", metadata: ["model": "\(specification.name)", "reason": "\(error)"])
            throw ModelLoadFailure(name: specification.name, reason: error)
        }
    }

    private func log(_ model: LoadedModel, _ specification: ModelSpecification, _ time: Duration) {
        let info = model.info
        logger.notice(
            "loaded",
            metadata: [
                "model": "\(specification.name)", "architecture": "\(info.architecture)", "context": "\(info.contextLength)",
                "threads": "\(info.threads)", "isa": "\(info.instructionSet)", "precision": "\(info.precision.rawValue)",
                "weight_mb": "\(info.weightBytes >> 20)", "seconds": "\(time / .seconds(1))",
            ])
        if let problem = model.chatTemplateProblem {
            logger.warning("the chat template cannot be used", metadata: ["model": "\(specification.name)", "reason": "\(problem)"])
        }
    }

    /// Gives up idle models, the longest unused first, until `specification` fits.
    /// - Returns: the endings to wait for before its memory is there.
    private func makeRoom(for specification: ModelSpecification) throws(APIError) -> [Task<Void, Never>] {
        let needed = specification.estimatedBytes
        guard needed <= budget, specification.refusal == nil else {
            throw Self.insufficientMemory(
                specification.name, needed: needed, available: budget, status: 507, message: specification.refusal)
        }
        var inUse = 0
        var endings: [Task<Void, Never>] = []
        var idle: [Int] = []
        for (index, entry) in entries.enumerated() {
            switch entry.state {
            case .unloaded: continue
            case .ending(let task): endings.append(task)
            case .loaded where entry.liveCount == 0: idle.append(index)
            case .loaded, .loading: break
            }
            if case .ending = entry.state {} else { inUse += entry.specification.estimatedBytes }
        }
        idle.sort { entries[$0].lastUse < entries[$1].lastUse }
        let available = budget - inUse + idle.reduce(0) { $0 + entries[$1].specification.estimatedBytes }
        guard needed <= available else {
            throw Self.insufficientMemory(specification.name, needed: needed, available: available, status: 503)
        }
        for index in idle where needed > budget - inUse {
            inUse -= entries[index].specification.estimatedBytes
            if let ending = unload(index) { endings.append(ending) }
        }
        return endings
    }

    private static func insufficientMemory(
        _ name: String, needed: Int, available: Int, status: Int, message: String? = nil
    ) -> APIError {
        var error = APIError(
            status: status, type: status == 507 ? "insufficient_memory" : "overloaded_error", code: "insufficient_memory", param: "model",
            message: message ?? "the model \"\(name)\" needs \(needed >> 20) MiB; \(available >> 20) MiB are "
                + (status == 507 ? "the memory budget" : "left beside models in use"))
        error.details.append("needed_bytes", .int(Int64(needed)))
        error.details.append("available_bytes", .int(Int64(available)))
        return error
    }

    /// Gives up a loaded model; nil when it is not loaded.
    private func unload(_ index: Int) -> Task<Void, Never>? {
        guard case .loaded(let model) = entries[index].state else { return nil }
        logger.notice("unloading", metadata: ["model": "\(entries[index].specification.name)"])
        let ending = Task {
            await model.drain()
            finishUnloading(index)
        }
        entries[index].state = .ending(ending)
        return ending
    }

    private func finishUnloading(_ index: Int) { entries[index].state = .unloaded }

    /// Loads a model, if it is not loaded yet.
    func load(named name: String?) async throws { await (try await lease(name)).end() }

    /// Unloads a model.
    /// - Throws: `APIError` 409 while requests use it.
    func unload(named name: String) async throws {
        let index = try index(of: name)
        guard entries[index].liveCount == 0 else {
            throw APIError(
                status: 409, type: "invalid_request_error", code: "model_in_use", param: "model",
                message: "\(entries[index].specification.name) has \(entries[index].liveCount) live requests")
        }
        await unload(index)?.value
    }

    /// Unloads what was idle for its time.
    func unloadIdle() {
        for (index, entry) in entries.enumerated() where entry.liveCount == 0 {
            if let limit = entry.specification.idleUnload, clock.now - entry.lastUse >= limit { _ = unload(index) }
        }
    }

    /// Refuses waiting requests and new ones, finishes live ones and unloads everything.
    /// - Parameter limit: how long live requests may take; then they are cut off.
    func drain(within limit: Duration) async {
        draining.store(true, ordering: .releasing)
        let live = entries.compactMap { entry -> LoadedModel? in
            if case .loaded(let model) = entry.state { model } else { nil }
        }
        let cut = Task {
            try await Task.sleep(for: limit)
            for model in live { model.abandon() }
        }
        defer { cut.cancel() }
        for index in entries.indices { _ = unload(index) }      // all at once: none waits for another's requests
        for index in entries.indices {
            if case .loading(let task) = entries[index].state {
                _ = try? await task.value
                _ = unload(index)
            }
            if case .ending(let task) = entries[index].state { await task.value }
        }
    }

    // MARK: Looking

    /// One model as it is now.
    struct Status: Sendable {
        let specification: ModelSpecification
        let state: String
        let liveCount: Int
        let idle: Duration
        /// Nil when it is not loaded.
        let model: LoadedModel?
    }

    var statuses: [Status] {
        entries.map { entry in
            let (state, model): (String, LoadedModel?) =
                switch entry.state {
                case .unloaded: ("unloaded", nil)
                case .loading: ("loading", nil)
                case .loaded(let model): ("loaded", model)
                case .ending: ("unloading", nil)
                }
            return Status(
                specification: entry.specification, state: state, liveCount: entry.liveCount,
                idle: entry.liveCount > 0 ? .zero : clock.now - entry.lastUse, model: model)
        }
    }
}
