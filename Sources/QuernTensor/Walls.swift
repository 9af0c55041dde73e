// What the machine can do at most: read bandwidth, exact integer multiply rate, clock. Measured, never looked up.
import CQuernKernels

/// The physical limits that kernel speeds are compared with.
public struct Walls: Sendable {
    /// Bytes per second that all threads read together, plain loads only.
    public let readBandwidth: Double
    /// Exact 16-bit multiply-accumulates per second on registers, all threads together; 0 when there is no probe.
    public let multiplyRate: Double
    /// Cycles per second of one core under load.
    public let clock: Double
}

/// Measures walls with the threads and the instruction set of a model. Holds half a gigabyte while it lives.
public final class WallProbe {
    private let region: MemoryRegion
    private let pool: WorkerPool
    private let set: InstructionSet

    public init(threads: Int, instructionSet: InstructionSet) throws(SystemError) {
        region = try MemoryRegion(byteCount: 1 << 29)
        pool = try WorkerPool(threads: threads)
        set = instructionSet
        // Untouched pages all map to one zero page, which would be read from the cache.
        for offset in stride(from: 0, to: region.byteCount, by: 4096) {
            (region.base + offset).storeBytes(of: 1, as: UInt8.self)
        }
    }

    /// One pass over all three; some hundredths of a second.
    public func measure() -> Walls {
        Walls(readBandwidth: readBandwidth(), multiplyRate: multiplyRate(), clock: clock())
    }

    /// The best of three passes, in bytes per second.
    public func readBandwidth() -> Double {
        (0..<3).reduce(0) { best, _ in
            var sum: UInt64 = 0
            let seconds = time { sum = qk_read_sum(set.ops, pool.handle, region.base, region.byteCount) }
            return sum > 0 ? max(best, Double(region.byteCount) / seconds) : best
        }
    }

    private func multiplyRate() -> Double {
        var done: Int64 = 0
        let seconds = time { done = qk_probe_multiply(set.ops, pool.handle, 1_000_000) }
        return Double(done) / seconds
    }

    private func clock() -> Double {
        var cycles: Int64 = 0
        let seconds = time { cycles = qk_probe_cycles(1_000_000) }
        return Double(cycles) / seconds
    }
}

/// Seconds that `body` takes.
private func time(_ body: () -> Void) -> Double {
    let start = ContinuousClock.now
    body()
    return (ContinuousClock.now - start) / .seconds(1)
}
