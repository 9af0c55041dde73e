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

/// Many short measurements of the walls, of one time or of several.
public struct WallSamples: Sendable {
    fileprivate var readBandwidths: [Double] = []
    fileprivate var multiplyRates: [Double] = []
    fileprivate var clocks: [Double] = []

    /// All of several measurements.
    public init(_ parts: some Sequence<WallSamples> = []) {
        for part in parts {
            readBandwidths += part.readBandwidths
            multiplyRates += part.multiplyRates
            clocks += part.clocks
        }
    }

    /// What a tenth of the samples reach: neighbours and interrupts take from a moment's rate and nothing adds to it, so a mean
    /// would measure them too; the very fastest sample would be an error of the clock one day. 0 without samples.
    public var limit: Walls { walls { $0[($0.count - 1) * 9 / 10] } }

    /// What half of the samples reach: what there was for somebody who ran at the same time. 0 without samples.
    public var usual: Walls { walls { $0[($0.count - 1) / 2] } }

    private func walls(_ choose: ([Double]) -> Double) -> Walls {
        func chosen(_ values: [Double]) -> Double { values.isEmpty ? 0 : choose(values.sorted()) }
        return Walls(readBandwidth: chosen(readBandwidths), multiplyRate: chosen(multiplyRates), clock: chosen(clocks))
    }
}

/// Measures walls with the threads and the instruction set of a model. Holds half a gigabyte while it lives.
public final class WallProbe {
    private let region: MemoryRegion
    private let pool: WorkerPool
    private let set: InstructionSet
    private static let pieces = 4

    public init(threads: Int, instructionSet: InstructionSet) throws(SystemError) {
        region = try MemoryRegion(byteCount: 1 << 29)
        pool = try WorkerPool(threads: threads)
        set = instructionSet
        // Untouched pages all map to one zero page, which would be read from the cache.
        for offset in stride(from: 0, to: region.byteCount, by: 4096) {
            (region.base + offset).storeBytes(of: 1, as: UInt8.self)
        }
    }

    /// Some samples of all three; less than a tenth of a second.
    public func measure() -> WallSamples {
        var samples = WallSamples()
        let size = region.byteCount / Self.pieces
        for piece in 0..<(4 * Self.pieces) {
            var sum: UInt64 = 0
            let start = region.base + piece % Self.pieces * size
            let seconds = time { sum = qk_read_sum(set.ops, pool.handle, start, size) }
            if sum > 0 { samples.readBandwidths.append(Double(size) / seconds) }
        }
        for _ in 0..<8 {
            var done: Int64 = 0
            let multiplying = time { done = qk_probe_multiply(set.ops, pool.handle, 125_000) }
            samples.multiplyRates.append(Double(done) / multiplying)
            var cycles: Int64 = 0
            let counting = time { cycles = qk_probe_cycles(125_000) }
            samples.clocks.append(Double(cycles) / counting)
        }
        return samples
    }
}

/// Seconds that `body` takes.
private func time(_ body: () -> Void) -> Double {
    let start = ContinuousClock.now
    body()
    return (ContinuousClock.now - start) / .seconds(1)
}
