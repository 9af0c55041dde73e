// Metrics in the text format of Prometheus (version 0.0.4). Written here because no available package does it.

struct PrometheusText {
    enum Kind: String {
        case counter, gauge, histogram
    }

    typealias Labels = [(name: String, value: String)]
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    /// One value.
    mutating func value(_ name: String, _ kind: Kind, _ help: String, _ value: Double, prefix: String = "quern_") {
        header(prefix + name, kind, help)
        line(prefix + name, [], value)
    }

    /// Several values under one name, told apart by labels.
    mutating func family(_ name: String, _ kind: Kind, _ help: String, _ samples: [(Labels, Double)]) {
        header("quern_" + name, kind, help)
        let lines = samples.map { (Self.format($0.0), $0.1) }.sorted { $0.0 < $1.0 }
        for (labels, value) in lines { text += "quern_\(name)\(labels) \(Self.format(value))\n" }
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        let name = "quern_" + name
        header(name, .histogram, help)
        var total = 0
        for (bound, count) in zip(histogram.bounds.map(Self.format) + ["+Inf"], histogram.counts) {
            total += count
            line(name + "_bucket", [("le", bound)], Double(total))
        }
        line(name + "_sum", [], histogram.sum)
        line(name + "_count", [], Double(total))
    }

    private mutating func header(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func line(_ name: String, _ labels: Labels, _ value: Double) {
        text += "\(name)\(Self.format(labels)) \(Self.format(value))\n"
    }

    private static func format(_ labels: Labels) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func format(_ value: Double) -> String {
        Int64(exactly: value).map { String($0) } ?? value.description
    }
}
