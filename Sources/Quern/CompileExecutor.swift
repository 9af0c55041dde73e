// Threads for compiling constraints, which give way to everything else on the machine: a constraint can wait, a decode step cannot.
//
// Invariant: at most two constraints are compiled at a time, and none on a thread that serves sockets.
import Dispatch
import Foundation
import Glibc
import Synchronization

public final class CompileExecutor: TaskExecutor {
    private let queue = JobQueue()

    public init() {
        for _ in 0..<2 {
            let thread = Thread { [queue] in queue.work() }
            thread.name = "quern.grammar"
            thread.start()
        }
    }

    deinit { queue.close() }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.add { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Outlives its executor until the threads have noticed.
private final class JobQueue: Sendable {
    /// A closed queue hands out nil.
    private let jobs = Mutex<(pending: [@Sendable () -> Void], isClosed: Bool)>(([], false))
    private let ready = DispatchSemaphore(value: 0)
    private static let niceness: Int32 = 15

    func add(_ job: @escaping @Sendable () -> Void) {
        jobs.withLock { $0.pending.append(job) }
        ready.signal()
    }

    func close() {
        jobs.withLock { $0.isClosed = true }
        ready.signal()
        ready.signal()
    }

    func work() {
        // On Linux this is of the calling thread alone (setpriority(2)); where it fails, compiling is merely less polite.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        while true {
            ready.wait()
            let (job, isOver) = jobs.withLock { jobs in (jobs.pending.isEmpty ? nil : jobs.pending.removeFirst(), jobs.isClosed) }
            if let job { job() } else if isOver { return }
        }
    }
}
