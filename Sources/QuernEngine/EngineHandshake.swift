// Small meeting points between the engine thread and its users: loaded, alive, counted, ended.
import Dispatch
import Synchronization

/// The loading thread reports once; the creator waits for it.
final class Handshake: Sendable {
    private let outcome = Mutex<Result<EngineInfo, any Error>?>(nil)
    private let arrival = DispatchSemaphore(value: 0)

    func succeed(_ info: EngineInfo) { report(.success(info)) }
    func fail(_ error: any Error) { report(.failure(error)) }

    private func report(_ result: Result<EngineInfo, any Error>) {
        outcome.withLock { $0 = result }
        arrival.signal()
    }

    func wait() throws -> EngineInfo {
        arrival.wait()
        guard let result = outcome.withLock({ $0 }) else { throw EngineError.shuttingDown }
        return try result.get()
    }
}

/// Counts what the engine thread gets done: every layer of a forward pass and every turn of the loop is a beat.
final class Heartbeat: Sendable {
    private let beats = Atomic<Int>(0)
    private let resting = Atomic<Bool>(false)

    var count: Int { beats.load(ordering: .relaxed) }
    /// The thread has nothing to do, or had not when it last looked.
    var isResting: Bool { resting.load(ordering: .acquiring) }

    func beat() { beats.wrappingAdd(1, ordering: .relaxed) }

    func rest(_ wait: () -> Void) {
        resting.store(true, ordering: .releasing)
        wait()
        resting.store(false, ordering: .releasing)
        beat()
    }
}

/// The latest counters.
final class StatisticsBox: Sendable {
    private let value = Mutex(EngineStatistics())

    func set(_ statistics: EngineStatistics) { value.withLock { $0 = statistics } }
    func get() -> EngineStatistics { value.withLock { $0 } }
}

/// Wakes everybody who waits for the engine thread to end.
final class ThreadExit: Sendable {
    private struct State {
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func signal() {
        let waiters = state.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if isOver { continuation.resume() }
        }
    }
}

/// One answer computed on the engine thread for a caller that blocks.
final class LogitsAnswer: Sendable {
    private let result = Mutex<Result<[[Float]], EngineError>>(.failure(.shuttingDown))
    private let arrival = DispatchSemaphore(value: 0)

    func set(_ value: Result<[[Float]], EngineError>) {
        result.withLock { $0 = value }
        arrival.signal()
    }

    func wait() throws(EngineError) -> [[Float]] {
        arrival.wait()
        return try result.withLock { $0 }.get()
    }
}
