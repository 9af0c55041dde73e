// What a device can hold and move, and how well each engine measured on it does so.
//
// Owns: the facts of one profile file. Does not own: the file's grammar (ProfileReader), the vocabulary (ProfileKey), what
// follows from missing facts (Uncalibrated). Invariant: every number has the dimension of its key and is positive.

public struct DeviceProfile: Sendable, Equatable, CustomStringConvertible {
    /// How `--device` calls it.
    public let id: String
    /// The device's name.
    public let name: String
    public let facts: FactTable
    /// Calibrations, the default first; empty for a device nobody measured.
    public let engines: [EngineCalibration]

    public init(id: String, name: String, facts: FactTable, engines: [EngineCalibration]) {
        self.id = id
        self.name = name
        self.facts = facts
        self.engines = engines
    }

    /// The named calibration, or the default when `name` is nil.
    public func engine(_ name: String?) -> EngineCalibration? {
        guard let name else { return engines.first }
        return engines.first { $0.name == name }
    }

    /// Bytes per second that kernels read, else the memory's peak; nil when neither is known.
    public var readBandwidth: Double? { (facts.estimate("memory.read") ?? facts.estimate("memory.bandwidth"))?.expected }

    /// Multiply-accumulates of integers per second, else in bf16; nil when neither is known.
    public var multiplyRate: Double? { (facts.estimate("compute.int8") ?? facts.estimate("compute.bf16")).map { $0.expected / 2 } }

    /// Bytes that models may take of one chip together, the runtime's reserve left out; nil when its capacity is unknown.
    public var modelBudget: Double? {
        MemoryLedger.budget(of: self).map { max(0, $0 - (facts.estimate("memory.reserve")?.expected ?? 0)) }
    }

    /// The most chips that work together.
    public var maxChips: Int { Int(min(facts["chips"]?.value?.expected ?? 1, Double(Workload.limit))) }
}

/// Terms fitted to measurements of one engine on one device.
public struct EngineCalibration: Sendable, Equatable {
    public let name: String
    public let facts: FactTable

    public init(name: String, facts: FactTable) {
        self.name = name
        self.facts = facts
    }
}

/// Facts in the order of the file.
public struct FactTable: Sendable, Equatable {
    public private(set) var entries: [(key: String, fact: Fact)] = []
    private var byKey: [String: Fact] = [:]

    public init() {}

    public subscript(key: String) -> Fact? { byKey[key] }

    /// False when the key is there already.
    public mutating func add(_ key: String, _ fact: Fact) -> Bool {
        guard byKey[key] == nil else { return false }
        byKey[key] = fact
        entries.append((key, fact))
        return true
    }

    /// A known value.
    func estimate(_ key: String) -> Estimate? { byKey[key]?.value }

    public static func == (a: FactTable, b: FactTable) -> Bool { a.byKey == b.byKey }
}
