// The worker pool: every job is run, by all workers as a rule, however short the jobs and long the pauses.
import CQuernKernels
import Glibc
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

    @Test(arguments: [1, 2, 3, 8] as [Int32]) func everyJobIsRun(_ threads: Int32) {
        let tally = Tally()
        let pool = Pool(threads)
        let runs = threads > 2 ? 3_000 : 50_000
        for _ in 0..<runs { qk_pool_run(pool.handle, work, Unmanaged.passUnretained(tally).toOpaque()) }
        // Fewer only where a worker's processor was taken away; then the caller works alone for a while.
        #expect((runs...(runs * Int(threads))).contains(tally.total.load(ordering: .relaxed)))
        #expect(tally.mask.load(ordering: .relaxed) == 1 << Int(threads) - 1)
    }

    @Test func sleepingWorkersWakeUp() async throws {
        let tally = Tally()
        let pool = Pool(2)
        for _ in 0..<20 {
            try await Task.sleep(for: .milliseconds(2))
            qk_pool_run(pool.handle, work, Unmanaged.passUnretained(tally).toOpaque())
        }
        #expect(tally.total.load(ordering: .relaxed) > 20)
        #expect(tally.mask.load(ordering: .relaxed) == 3)
    }

    /// A worker that is late again and again is left out, and asked again later.
    @Test func lateWorkersAreLeftOut() {
        let tally = Tally()
        let pool = Pool(2)
        let slow: @convention(c) (UnsafeMutableRawPointer?, Int32, Int32) -> Void = { context, worker, _ in
            guard let context else { return }
            if worker > 0 { usleep(1000) }
            let tally = Unmanaged<Tally>.fromOpaque(context).takeUnretainedValue()
            tally.total.add(worker == 0 ? 1 : 1 << 32, ordering: .relaxed)
        }
        for _ in 0..<2000 { qk_pool_run(pool.handle, slow, Unmanaged.passUnretained(tally).toOpaque()) }
        let total = tally.total.load(ordering: .relaxed)
        #expect(total & 0xFFFF_FFFF == 2000)
        #expect((1..<1000).contains(total >> 32))
    }

    @Test func poolsComeAndGo() {
        for _ in 0..<200 {
            let pool = Pool(3)
            #expect(qk_pool_thread_count(pool.handle) == 3)
        }
        #expect(qk_pool_create(0) == nil)
    }
}
