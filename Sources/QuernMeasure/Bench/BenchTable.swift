// Reports as tables.
import QuernJSON

/// How a report is printed.
public enum BenchFormat: String, Sendable, CaseIterable {
    case table, markdown, csv, json
}

extension BenchReport {
    /// The report as text; `comparison` with an older one follows it, and in JSON becomes the member `comparison`.
    public func text(_ format: BenchFormat, comparison: BenchComparison? = nil) -> String {
        switch format {
        case .json:
            var object = json.objectValue ?? JSONObject()
            if let comparison { object.append("comparison", comparison.json) }
            return JSONValue.object(object).serialized(.pretty)
        case .csv:
            let tables = [series.isEmpty ? nil : numbers.csv, loads.isEmpty ? nil : loadTable.csv, comparison?.table.csv]
            return tables.compactMap { $0 }.joined(separator: "\n\n")
        case .table: return sections(comparison) { $0.plain }
        case .markdown: return sections(comparison) { $0.markdown }
        }
    }

    private func sections(_ comparison: BenchComparison?, _ print: (TextTable) -> String) -> String {
        var parts = [([headline] + [wallLine, noiseNote].compactMap { $0 }).joined(separator: "\n")]
        if !series.isEmpty { parts.append(print(table)) }
        if !loads.isEmpty { parts.append(print(loadTable)) }
        if let comparison { parts.append(print(comparison.table) + "\n\n" + comparison.notes.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private var headline: String {
        let parts = [
            subject.precision, subject.keyValueFormat.isEmpty ? "" : "kv \(subject.keyValueFormat)",
            subject.threads.map { $0 == 1 ? "1 thread" : "\($0) threads" } ?? "", subject.instructionSet, subject.processor, subject.digest,
        ]
        return "\(subject.model): " + parts.filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private var wallLine: String? {
        walls.map {
            "walls: read \(fixed($0.readBandwidth / 1e9, 1)) GB/s, multiply \(fixed($0.multiplyRate / 1e9, 0)) GMAC/s (exact 16-bit), "
                + "\(fixed($0.clock / 1e9, 2)) GHz"
        }
    }

    private var table: TextTable {
        var table = TextTable(["load", "tokens", "depth", "batch", "tok/s", "±", "GB/s", "GMAC/s", "of the wall"], words: 1)
        for series in series {
            table.append([
                series.key.kind.rawValue, "\(series.key.tokens)", "\(series.key.depth)", "\(series.key.batch)",
                fixed(series.tokensPerSecond, 1), fixed(series.runs.halfRange, 1), series.bytesPerSecond.map { fixed($0 / 1e9, 1) } ?? "-",
                series.multipliesPerSecond.map { fixed($0 / 1e9, 0) } ?? "-",
                series.wallShare.map { fixed($0 * 100, 0) + " %" } ?? "-",
            ])
        }
        return table
    }

    /// With everything a row needs to stand alone, and raw numbers.
    private var numbers: TextTable {
        var table = TextTable(
            [
                "model", "digest", "precision", "kv", "threads", "instruction_set", "kind", "tokens", "depth", "batch", "tokens_per_second",
                "slowest", "fastest", "runs", "gigabytes_per_second", "gmac_per_second", "wall_share",
            ], words: 0)
        for series in series {
            let head = [
                subject.model, subject.digest, subject.precision, subject.keyValueFormat, subject.threads.map { "\($0)" } ?? "",
                subject.instructionSet, series.key.kind.rawValue, "\(series.key.tokens)", "\(series.key.depth)", "\(series.key.batch)",
            ]
            table.append(
                head + [
                    fixed(series.tokensPerSecond, 3), fixed(series.runs.min() ?? 0, 3), fixed(series.runs.max() ?? 0, 3),
                    "\(series.runs.count)", series.bytesPerSecond.map { fixed($0 / 1e9, 3) } ?? "",
                    series.multipliesPerSecond.map { fixed($0 / 1e9, 3) } ?? "",
                    series.wallShare.map { fixed($0, 4) } ?? "",
                ])
        }
        return table
    }

    private var loadTable: TextTable {
        var table = TextTable(
            [
                "arrivals", "requests", "failed", "seconds", "out tok/s", "all tok/s", "TTFT p50 ms", "TTFT p99 ms", "ITL p50 ms",
                "ITL p99 ms", "TPOT p50 ms", "goodput/s", "good",
            ], words: 1)
        for load in loads {
            func milliseconds(_ seconds: Double) -> String { significant(seconds * 1000) }
            table.append([
                load.arrivals.text, "\(load.records.count)", "\(load.failed)", fixed(load.duration, 1), fixed(load.outputRate, 1),
                fixed(load.totalRate, 1), milliseconds(load.timeToFirst.median), milliseconds(load.timeToFirst.p99),
                milliseconds(load.gaps.median), milliseconds(load.gaps.p99), milliseconds(load.timePerToken.median),
                load.goodput.map { fixed($0, 2) } ?? "-",
                load.good.map { fixed(100 * Double($0) / Double(max(1, load.records.count)), 0) + " %" } ?? "-",
            ])
        }
        return table
    }
}
