// Results of a bench: medians beside the walls, as text or JSON.
import Foundation
import Quern
import QuernEngine
import QuernJSON

/// One measured load; runs are tokens per second.
struct BenchSeries {
    enum Kind: String { case prefill, decode }

    let kind: Kind
    let tokens: Int
    let batch: Int
    var runs: [Double] = []
}

struct BenchReport {
    let info: ModelInfo
    let series: [BenchSeries]
    let readBandwidth: Double
    let multiplyRate: Double
    let clock: Double

    /// Multiply-accumulates of a token: every weight that a step reads, the head included when each token needs it.
    private func multiplies(_ series: BenchSeries) -> Double {
        Double(series.kind == .decode ? info.weightsPerStep : info.weightsPerStep - info.headWeights)
    }

    private func bytesPerSecond(_ series: BenchSeries) -> Double {
        median(series.runs) / Double(series.batch) * Double(info.weightBytes)
    }

    /// The multiply wall is that of exact 16-bit products, which int8-fast can pass: part of it multiplies bytes.
    /// Few sequences are bound by memory, many and prompts by arithmetic; the nearer wall is the one that counts.
    private func wallShare(_ series: BenchSeries) -> Double {
        let arithmetic = multiplyRate > 0 ? median(series.runs) * multiplies(series) / multiplyRate : 0
        return series.kind == .prefill ? arithmetic : max(arithmetic, bytesPerSecond(series) / readBandwidth)
    }

    var json: JSONValue {
        let results = series.map { series -> JSONValue in
            var object = JSONObject()
            object.append("kind", .string(series.kind.rawValue))
            object.append("tokens", .int(Int64(series.tokens)))
            object.append("batch", .int(Int64(series.batch)))
            object.append("tokens_per_second", .double(median(series.runs)))
            object.append("runs", .array(series.runs.map { .double($0) }))
            if series.kind == .decode { object.append("gigabytes_per_second", .double(bytesPerSecond(series) / 1e9)) }
            object.append("gmac_per_second", .double(median(series.runs) * multiplies(series) / 1e9))
            object.append("wall_share", .double(wallShare(series)))
            return .object(object)
        }
        return [
            "model": .string(info.id), "precision": .string(info.precision.rawValue), "threads": .int(Int64(info.threads)),
            "instruction_set": .string(info.instructionSet), "weight_bytes": .int(Int64(info.weightBytes)),
            "walls": [
                "read_gb_per_second": .double(readBandwidth / 1e9), "gmac_per_second": .double(multiplyRate / 1e9),
                "clock_ghz": .double(clock / 1e9),
            ],
            "results": .array(results),
        ]
    }

    var text: String {
        var lines = [
            "\(info.id): \(info.precision.rawValue), \(info.threads) threads, \(info.instructionSet)",
            String(
                format: "walls: read %.1f GB/s, multiply %.0f GMAC/s (16-bit), %.2f GHz", readBandwidth / 1e9, multiplyRate / 1e9, clock / 1e9),
        ]
        for series in series {
            let spread = (series.runs.max() ?? 0) - (series.runs.min() ?? 0)
            var line = String(
                format: "%@ %5d tokens, batch %2d: %8.1f tok/s ± %.1f", series.kind == .prefill ? "prefill" : "decode ", series.tokens,
                series.batch, median(series.runs), spread / 2)
            line += series.kind == .prefill
                ? String(format: ", %.0f GMAC/s", median(series.runs) * multiplies(series) / 1e9)
                : String(format: ", %.1f GB/s", bytesPerSecond(series) / 1e9)
            lines.append(line + String(format: ", %.0f %% of the wall", wallShare(series) * 100))
        }
        return lines.joined(separator: "\n")
    }
}

/// The middle of the values; 0 of none.
func median(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
