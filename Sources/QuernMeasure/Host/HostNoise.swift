// The difference of two readings of the host's counters, and when it is too large to believe a measurement.

public struct HostNoise: Sendable, Equatable {
    /// Share of all processor time that the hypervisor took away.
    public var stolen = 0.0
    /// Share of the wall time that a cgroup kept us from running.
    public var throttled = 0.0
    /// Share of all processor time that other programs used.
    public var others = 0.0

    /// Shares above which a run is repeated. A quiet desktop stays below a hundredth in each.
    public static let limits = HostNoise(stolen: 0.01, throttled: 0.005, others: 0.05)

    public init(stolen: Double = 0, throttled: Double = 0, others: Double = 0) {
        self.stolen = stolen
        self.throttled = throttled
        self.others = others
    }

    /// - Parameters:
    ///   - seconds: wall time between the readings. The kernel counts in hundredths of a second: of less than half a second
    ///     nothing is said.
    ///   - countsOthers: false when what is measured runs in another process.
    public init(from start: HostCounters, to end: HostCounters, seconds: Double, countsOthers: Bool = true) {
        let ticks = end.totalTicks - start.totalTicks
        guard seconds >= 0.5, ticks > 0 else { return }
        stolen = max(0, end.stolenTicks - start.stolenTicks) / ticks
        throttled = max(0, end.throttledSeconds - start.throttledSeconds) / seconds
        let own = (end.ownSeconds - start.ownSeconds) * HostCounters.ticksPerSecond
        if countsOthers { others = max(0, end.busyTicks - start.busyTicks - own) / ticks }
    }

    public var isNoisy: Bool {
        stolen > Self.limits.stolen || throttled > Self.limits.throttled || others > Self.limits.others
    }

    /// The worst of each.
    public mutating func formMaximum(_ other: HostNoise) {
        stolen = max(stolen, other.stolen)
        throttled = max(throttled, other.throttled)
        others = max(others, other.others)
    }
}
