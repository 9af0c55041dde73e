// Swift's owner of the C worker pool. The pool's threads run C only; the creating thread is worker 0.
import CQuernKernels
import Glibc

/// A fixed set of kernel threads. One pool serves everything an engine computes.
public struct WorkerPool: ~Copyable {
    package let handle: OpaquePointer

    /// - Parameter threads: workers including the calling thread; at least 1. Where the system starts no more there are fewer.
    public init(threads: Int) throws(SystemError) {
        guard let pool = qk_pool_create(Int32(clamping: max(1, threads))) else {
            throw SystemError(call: "malloc", subject: "a pool of \(threads) threads")
        }
        handle = pool
    }

    /// Makes sure that the system would start `count` more threads; of more than 256 it tries so many. To be asked before
    /// Foundation or NIO start some, who do not report one that cannot be started: the first waits for it, the second traps.
    public static func require(threads count: Int, for subject: String) throws(SystemError) {
        let tried = min(count, 256)
        let spare = qk_spare_threads(Int32(tried))
        guard spare < tried else { return }
        throw SystemError(
            call: "pthread_create", code: EAGAIN,
            subject: "\(subject) needs \(count) threads and could start \(spare) (limits: `ulimit -u`, TasksMax= or pids.max)")
    }

    public var threadCount: Int { Int(qk_pool_thread_count(handle)) }

    /// Processors the affinity mask allows; 0 when it cannot be read.
    public static var affinityCount: Int { Int(qk_affinity_count()) }

    deinit { qk_pool_destroy(handle) }
}
