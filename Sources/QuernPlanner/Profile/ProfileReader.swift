// Reads profile files: lines of `key = value unit ; confidence ; source`, comments, and [engine NAME] headings.
//
// A format of its own because no format with comments that Swift packages read (TOML, YAML) also says on which line a valid
// but unwanted key stands, and every number here carries three things: unit, confidence, source. Values are a number, a
// range `low .. high`, or `unknown`.
// Invariant: what is returned obeys DeviceProfile's; everything else is an error naming line and key.

public struct ProfileError: Error, Sendable, Equatable, CustomStringConvertible {
    public let file: String
    /// From 1; nil when the whole file is meant.
    public let line: Int?
    public let key: String
    public let reason: String

    public var description: String {
        let place = line.map { ":\($0)" } ?? ""
        return "\(file)\(place): \(key.isEmpty ? "" : "\(key) ")\(reason)"
    }
}

extension DeviceProfile {
    /// Profiles are small; a larger file is not one.
    public static let maxByteCount = 1 << 20

    /// - Parameters:
    ///   - id: what `--device` calls it.
    ///   - file: for messages.
    public init(parsing bytes: [UInt8], id: String, file: String) throws(ProfileError) {
        guard bytes.count <= Self.maxByteCount, let text = String(validating: bytes, as: UTF8.self) else {
            throw ProfileError(file: file, line: nil, key: "", reason: "is not a device profile: text of at most 1 MiB")
        }
        var reader = ProfileReader(file: file)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) { try reader.read(line) }
        self = try reader.profile(id: id)
    }
}

extension DeviceProfile {
    /// The same device with this much memory, such as `36 GB` or `64GiB`.
    public func withCapacity(_ text: String) throws(ProfileError) -> DeviceProfile {
        let digits = text.prefix { $0.isNumber || $0 == "." }
        let line = "memory.capacity = \(digits) \(text.dropFirst(digits.count)) ; read ; given as --memory"
        var given = try DeviceProfile(parsing: Array("name = \(name)\n\(line)".utf8), id: id, file: "--memory").facts
        for (key, fact) in facts.entries { _ = given.add(key, fact) }
        return DeviceProfile(id: id, name: name, facts: given, engines: engines)
    }
}

private struct ProfileReader {
    let file: String
    private var line = 0
    private var name: String?
    private var section = ProfileSection.device
    private var device = FactTable()
    private var engines: [EngineCalibration] = []
    private var engineFacts = FactTable()

    init(file: String) { self.file = file }

    private func fail(_ key: Substring, _ reason: String) -> ProfileError {
        ProfileError(file: file, line: line, key: String(key.prefix(64)), reason: reason)
    }

    mutating func read(_ raw: Substring) throws(ProfileError) {
        line += 1
        let text = raw.trimmed
        if text.isEmpty || text.hasPrefix("#") { return }
        if text.hasPrefix("[") { return try heading(text) }
        guard let equals = text.firstIndex(of: "=") else { throw fail(text, "is not `key = value unit ; confidence ; source`") }
        let key = text[..<equals].trimmed
        let rest = text[text.index(after: equals)...].trimmed
        if key == "name", section == .device {
            guard name == nil else { throw fail(key, "stands twice") }
            guard !rest.isEmpty else { throw fail(key, "is empty") }
            name = String(rest)
            return
        }
        guard let dimension = ProfileKey.dimension(of: String(key), in: section) else {
            throw fail(key, "is not a key of \(section == .device ? "a device" : "an engine"); known: \(ProfileKey.known(in: section))")
        }
        let fact = try fact(key, rest, dimension)
        let isNew = section == .device ? device.add(String(key), fact) : engineFacts.add(String(key), fact)
        guard isNew else { throw fail(key, "stands twice") }
    }

    func profile(id: String) throws(ProfileError) -> DeviceProfile {
        guard let name else { throw ProfileError(file: file, line: nil, key: "name", reason: "is missing") }
        return DeviceProfile(id: id, name: name, facts: device, engines: closedEngines)
    }

    private var closedEngines: [EngineCalibration] {
        guard case .engine(let name) = section else { return engines }
        return engines + [EngineCalibration(name: name, facts: engineFacts)]
    }

    private mutating func heading(_ text: Substring) throws(ProfileError) {
        let parts = text.dropFirst().dropLast().split(separator: " ")
        guard text.hasSuffix("]"), parts.count == 2, parts[0] == "engine" else { throw fail(text, "is not `[engine NAME]`") }
        engines = closedEngines
        guard !engines.contains(where: { $0.name == parts[1] }) else { throw fail(parts[1], "stands twice") }
        engineFacts = FactTable()
        section = .engine(String(parts[1]))
    }

    private func fact(_ key: Substring, _ text: Substring, _ dimension: Dimension) throws(ProfileError) -> Fact {
        let parts = text.split(separator: ";", maxSplits: 2, omittingEmptySubsequences: false).map(\.trimmed)
        guard parts.count == 3, !parts[2].isEmpty else {
            throw fail(key, "needs `value unit ; confidence ; source`: every number says who states it")
        }
        guard let confidence = Confidence(rawValue: String(parts[1])) else {
            let known = Confidence.allCases.map(\.rawValue).joined(separator: ", ")
            throw fail(key, "has confidence \"\(parts[1].prefix(64))\"; known: \(known)")
        }
        let isUnknown = parts[0] == "unknown"
        guard isUnknown == (confidence == .unknown) else { throw fail(key, "is unknown in value or confidence but not in both") }
        let value = isUnknown ? nil : try estimate(key, parts[0], dimension)
        return Fact(value: value, dimension: dimension, confidence: confidence, source: String(parts[2]))
    }

    private func estimate(_ key: Substring, _ text: Substring, _ dimension: Dimension) throws(ProfileError) -> Estimate {
        let words = text.split(separator: " ")
        let isRange = words.count >= 3 && words[1] == ".."
        let numbers = isRange ? [words[0], words[2]] : [words.first ?? ""]
        let unit = words.dropFirst(isRange ? 3 : 1)
        var values: [Double] = []
        for number in numbers {
            guard let value = Double(number), value.isFinite else { throw fail(key, "is \"\(number.prefix(64))\", expected a number") }
            guard value > 0 else { throw fail(key, "is \(number), it must be positive") }
            values.append(value)
        }
        guard unit.count <= 1, let factor = Unit.factor(String(unit.first ?? ""), of: dimension) else {
            throw fail(
                key, "has unit \"\(unit.joined(separator: " ").prefix(64))\"; it is \(dimension.rawValue), "
                    + "so use \(Unit.symbols(of: dimension))")
        }
        let (low, high) = (values[0] * factor, values[values.count - 1] * factor)
        guard ProfileKey.bounds.contains(low), ProfileKey.bounds.contains(high) else {
            throw fail(key, "is \(text.prefix(64)), beyond anything a device has")
        }
        guard low <= high else { throw fail(key, "runs from \(numbers[0]) down to \(numbers[1])") }
        return Estimate(low: low, expected: (low + high) / 2, high: high)
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
