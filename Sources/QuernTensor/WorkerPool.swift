// Swift's owner of the C worker pool. The pool's threads run C only; the creating thread is worker 0.
import CQuernKernels

/// A fixed set of kernel threads. One pool serves everything an engine computes.
public struct WorkerPool: ~Copyable {
    package let handle: OpaquePointer

    /// - Parameter threads: workers including the calling thread; at least 1.
    public init(threads: Int) throws(SystemError) {
        guard let pool = qk_pool_create(Int32(clamping: max(1, threads))) else {
            throw SystemError(call: "pthread_create", subject: "a pool of \(threads) threads")
        }
        handle = pool
    }

    public var threadCount: Int { Int(qk_pool_thread_count(handle)) }

    /// Processors the affinity mask allows; 0 when it cannot be read.
    public static var affinityCount: Int { Int(qk_affinity_count()) }

    deinit { qk_pool_destroy(handle) }
}
