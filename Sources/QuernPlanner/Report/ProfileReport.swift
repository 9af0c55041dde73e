// A profile for people and programs: every number with its confidence and source.
import QuernJSON

extension DeviceProfile {
    /// One line: name, memory, bandwidth, engines.
    public var summary: String {
        let memory = facts["memory.capacity"]?.description ?? "unknown"
        let bandwidth = (facts["memory.bandwidth"].flatMap { $0.value == nil ? nil : $0 } ?? facts["memory.read"])?.description
        let engines = engines.isEmpty ? "not measured" : engines.map(\.name).joined(separator: ", ")
        return "\(name): memory \(memory), \(bandwidth ?? "bandwidth unknown"); engines: \(engines)"
    }

    /// All facts as aligned text.
    public var description: String {
        var lines = ["\(id): \(name)"] + Self.lines(facts)
        for engine in engines { lines += ["", "engine \(engine.name)"] + Self.lines(engine.facts) }
        return lines.joined(separator: "\n")
    }

    private static func lines(_ table: FactTable) -> [String] {
        table.entries.map { "  \($0.key) = \($0.fact.description) (\($0.fact.confidence.rawValue): \($0.fact.source))" }
    }

    public var json: JSONValue {
        [
            "id": .string(id), "name": .string(name), "facts": facts.json,
            "engines": .array(engines.map { ["name": .string($0.name), "facts": $0.facts.json] }),
        ]
    }
}

extension FactTable {
    /// Values in base units: bytes, bytes per second, operations per second, seconds, watts.
    fileprivate var json: JSONValue {
        .array(entries.map { entry in
            [
                "key": .string(entry.key), "value": entry.fact.value.map(\.json) ?? .null,
                "confidence": .string(entry.fact.confidence.rawValue), "source": .string(entry.fact.source),
            ]
        })
    }
}
