// The device that a daemon's figures are held against.
import QuernJSON

/// The device that was named with `--device`, else this host once it was measured.
public struct DeviceWalls: Sendable {
    /// How `--device` calls it.
    public let id: String
    public let name: String
    /// Bytes per second.
    public let readBandwidth: Double
    /// Integer multiply-accumulates per second; nil when nobody knows.
    public let multiplyRate: Double?
    /// Memory that models may take on it; nil when that is unknown or nobody named the device.
    public let memoryBudget: Int?
    /// Answers come at its pace.
    public let isPaced: Bool

    public init(id: String, name: String, readBandwidth: Double, multiplyRate: Double?, memoryBudget: Int?, isPaced: Bool) {
        self.id = id
        self.name = name
        self.readBandwidth = readBandwidth
        self.multiplyRate = multiplyRate
        self.memoryBudget = memoryBudget
        self.isPaced = isPaced
    }

    /// As /props and /models show it.
    var json: JSONValue {
        [
            "id": .string(id), "name": .string(name), "read_gb_per_second": .double(readBandwidth / 1e9),
            "gmac_per_second": multiplyRate.map { .double($0 / 1e9) } ?? .null, "memory_budget_bytes": memoryBudget.map { .int(Int64($0)) } ?? .null,
            "paced": .bool(isPaced),
        ]
    }
}
