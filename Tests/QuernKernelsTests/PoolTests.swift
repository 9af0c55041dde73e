// The worker pool: every worker runs every job once, however short the jobs and long the pauses.
import CQuernKernels
import Synchronization
import Testing

@Suite(.serialized) struct PoolTests {
    private final class Tally: Sendable {
        let total = Atomic<Int>(0)
        let mask = Atomic<Int>(0)
    }

    private let work: @convention(c) (UnsafeMutableRawPointer?, Int32, Int32) -> Void = { context, worker, _ in
        guard let context else { return }
        let tally = Unmanaged<Tally>.fromOpaque(context).takeUnretainedValue()
        tally.total.add(1, ordering: .relaxed)
        tally.mask.bitwiseOr(1 << Int(worker), ordering: .relaxed)
    }

    @Test(arguments: [1, 2, 3, 8] as [Int32]) func everyWorkerRunsEveryJob(_ threads: Int32) {
        let tally = Tally()
        let pool = Pool(threads)
        let runs = threads > 2 ? 3_000 : 50_000
        for _ in 0..<runs { qk_pool_run(pool.handle, work, Unmanaged.passUnretained(tally).toOpaque()) }
        #expect(tally.total.load(ordering: .relaxed) == runs * Int(threads))
        #expect(tally.mask.load(ordering: .relaxed) == 1 << Int(threads) - 1)
    }

    @Test func sleepingWorkersWakeUp() async throws {
        let tally = Tally()
        let pool = Pool(2)
        for _ in 0..<20 {
            try await Task.sleep(for: .milliseconds(2))
            qk_pool_run(pool.handle, work, Unmanaged.passUnretained(tally).toOpaque())
        }
        #expect(tally.total.load(ordering: .relaxed) == 40)
    }

    @Test func poolsComeAndGo() {
        for _ in 0..<200 {
            let pool = Pool(3)
            #expect(qk_pool_thread_count(pool.handle) == 3)
        }
        #expect(qk_pool_create(0) == nil)
    }
}
