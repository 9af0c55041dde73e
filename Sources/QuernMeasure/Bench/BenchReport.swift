// The result of `quern bench`: what was measured, on what, in whose company.
//
// Owns: the figures. Does not own: how they are printed (BenchTable, BenchReport+JSON, BenchPlot). Invariant: a report read
// back from its JSON prints the same figures.

public struct BenchReport: Sendable {
    /// The model and the machine. Text that is unknown is empty, numbers are nil.
    public struct Subject: Sendable, Equatable {
        public var model = ""
        /// Checksum and size of the model's files.
        public var digest = ""
        public var precision = ""
        public var keyValueFormat = ""
        public var threads: Int?
        public var instructionSet = ""
        public var weightBytes: Int?
        public var processor = ""
        public var version = ""
        /// ISO 8601.
        public var date = ""

        public init() {}

        /// Fields that must agree for a comparison to mean what it says, with their names.
        var comparable: [(name: String, value: String)] {
            [
                ("digest", digest), ("precision", precision), ("kv", keyValueFormat), ("threads", threads.map { "\($0)" } ?? ""),
                ("instruction_set", instructionSet), ("processor", processor),
            ]
        }
    }

    /// Whether the machine was quiet.
    public struct Company: Sendable, Equatable {
        /// The worst seen in a round that counts.
        public var noise = HostNoise()
        /// Rounds thrown away for noise and measured again.
        public var repeatedRounds = 0
        /// Rounds kept although they were noisy, when no patience was left.
        public var noisyRounds = 0

        public init() {}
    }

    public var subject: Subject
    public var walls: BenchWalls?
    public var company: Company
    public var series: [BenchSeries]
    public var loads: [LoadResult]

    public init(
        subject: Subject, walls: BenchWalls? = nil, company: Company = Company(), series: [BenchSeries] = [], loads: [LoadResult] = []
    ) {
        self.subject = subject
        self.walls = walls
        self.company = company
        self.series = series
        self.loads = loads
    }

    /// What a noisy machine did to the run; nil when it was quiet.
    public var noiseNote: String? {
        guard company.repeatedRounds + company.noisyRounds > 0 || company.noise.isNoisy else { return nil }
        let noise = company.noise
        let shares = "stolen \(percent(noise.stolen)), throttled \(percent(noise.throttled)), other programs \(percent(noise.others))"
        let kept = company.noisyRounds > 0
            ? "\(company.noisyRounds) noisy rounds are included: treat the figures as a lower bound" : "all rounds counted were quiet"
        return "noise: \(company.repeatedRounds) rounds repeated; at worst \(shares); \(kept)"
    }
}

func percent(_ share: Double) -> String { fixed(share * 100, share < 0.1 ? 1 : 0) + " %" }
