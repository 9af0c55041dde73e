// A profile as the text its reader accepts; how `quern calibrate` keeps what it measured.

extension DeviceProfile {
    /// Reads back to an equal profile, numbers rounded to the digits shown.
    public var text: String {
        var lines = [
            "# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.",
            "name = \(name)",
        ]
        lines += facts.entries.map(Self.line)
        for engine in engines {
            lines += ["", "[engine \(engine.name)]"] + engine.facts.entries.map(Self.line)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ key: String, _ fact: Fact) -> String {
        "\(key) = \(fact.value.map { _ in fact.description } ?? "unknown") ; \(fact.confidence.rawValue) ; \(fact.source)"
    }
}
