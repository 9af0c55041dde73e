// A daemon's metrics, read from the text format of Prometheus (version 0.0.4).
import Foundation

public struct MetricsSnapshot: Sendable {
    /// Values by name and labels as they stand in the text: `quern_requests_total{status="200"}`.
    private var values: [String: Double] = [:]

    /// Lines that are no samples are skipped.
    public init(parsing text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { continue }
            values[String(line[..<space])] = value
        }
    }

    /// The value of a metric; of one with labels, the sum over all of them. Nil when there is none.
    public subscript(name: String) -> Double? {
        if let value = values[name] { return value }
        let family = values.filter { $0.key.hasPrefix(name + "{") }
        return family.isEmpty ? nil : family.values.reduce(0, +)
    }

    /// What one label says of the first sample of a metric.
    public func label(_ label: String, of name: String) -> String? {
        guard let key = values.keys.filter({ $0.hasPrefix(name + "{") }).min(), let start = key.range(of: "\(label)=\"")?.upperBound
        else { return nil }
        var value = ""
        var isEscaped = false
        for character in key[start...] {
            if isEscaped {
                value.append(character == "n" ? "\n" : character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                return value
            } else {
                value.append(character)
            }
        }
        return nil
    }
}
