// One frame of `quern top`: what a daemon does now, in a few lines of text.
import QuernJSON

public struct TopView: Sendable {
    /// Generated tokens per second, the newest last.
    private var history: [Double] = []
    /// What the machine reads at most, in bytes per second; nil leaves the share out.
    private let readBandwidth: Double?
    private let width: Int

    private static let barWidth = 30

    /// - Parameter width: columns of the terminal.
    public init(readBandwidth: Double?, width: Int) {
        self.readBandwidth = readBandwidth
        self.width = max(40, width)
    }

    /// The next frame. `seconds` since the daemon started are taken from its own clock.
    public mutating func frame(_ rates: LiveRates, _ metrics: MetricsSnapshot, upSeconds: Double?) -> String {
        history = Array((history + [rates.generationRate]).suffix(width - 22))
        var parts = ["model", "precision", "instruction_set"].compactMap { metrics.label($0, of: "quern_build_info") }
        if let device = metrics.label("device", of: "quern_device_info") {
            parts.append(metrics.label("paced", of: "quern_device_info") == "true" ? "\(device) simulated" : device)
        }
        let what = parts.joined(separator: " · ")
        let cacheBytes = metrics["quern_kv_cache_bytes"] ?? 0
        let bandwidth = rates.weightBytesPerSecond
        var lines = [
            "quern \(metrics.label("version", of: "quern_build_info") ?? "")  \(what)" + (upSeconds.map { "  up \(Self.duration($0))" } ?? ""),
            "",
            row("requests", "\(count(rates.running)) running, \(count(rates.waiting)) waiting, \(significant(rates.requestRate))/s"),
            row(
                "tokens/s",
                "\(significant(rates.generationRate)) generated, \(significant(rates.promptRate)) of prompts, "
                    + "in \(significant(rates.stepRate)) steps/s"),
            row("latency", "first token \(Self.milliseconds(rates.timeToFirst)), then \(Self.milliseconds(rates.timePerToken)) each"),
            row(
                "KV blocks",
                Self.bar(rates.cacheUse) + " \(percent(rates.cacheUse)) of \(Self.bytes(cacheBytes)), \(count(rates.cachedBlocks)) hold prefixes"),
        ]
        if let wall = readBandwidth {
            lines.append(row("bandwidth", Self.bar(bandwidth / wall) + " \(percent(bandwidth / wall)) of \(Self.bytes(wall))/s, weights only"))
        } else {
            lines.append(row("bandwidth", "\(Self.bytes(bandwidth))/s of weights"))
        }
        lines.append(row("process", "\(Self.bytes(rates.residentBytes)) resident, \(fixed(rates.processorShare * 100, 0)) % of a processor"))
        lines.append(row("history", Self.sparkline(history)))
        return lines.map { String($0.prefix(width)) }.joined(separator: "\n")
    }

    private func row(_ name: String, _ text: String) -> String { name + String(repeating: " ", count: 12 - name.count) + text }
    private func count(_ value: Double) -> String { fixed(value, 0) }

    static func bar(_ share: Double) -> String {
        let filled = Int((min(max(share.isFinite ? share : 0, 0), 1) * Double(barWidth)).rounded())
        return "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled) + "]"
    }

    static func sparkline(_ values: [Double]) -> String {
        let steps = Array("▁▂▃▄▅▆▇█")
        let most = values.max() ?? 0
        let line = values.map { value in steps[most > 0 ? min(steps.count - 1, Int(value / most * Double(steps.count - 1) + 0.5)) : 0] }
        return String(line) + " max \(significant(most)) tok/s"
    }

    static func bytes(_ value: Double) -> String {
        switch value {
        case 1e9...: "\(fixed(value / 1e9, 2)) GB"
        case 1e6...: "\(fixed(value / 1e6, 0)) MB"
        default: "\(fixed(value / 1e3, 0)) kB"
        }
    }

    private static func milliseconds(_ seconds: Double?) -> String { seconds.map { "\(significant($0 * 1000)) ms" } ?? "-" }

    static func duration(_ seconds: Double) -> String {
        let minutes = Int(max(0, min(seconds, 1e9)) / 60)
        return minutes < 60 ? "\(minutes) min" : minutes < 48 * 60 ? "\(minutes / 60) h \(minutes % 60) min" : "\(minutes / 1440) days"
    }
}

extension LiveRates {
    /// One line of `quern top --json`.
    public var json: JSONValue {
        [
            "requests_running": .double(running), "requests_waiting": .double(waiting), "requests_per_second": .double(requestRate),
            "tokens_per_second": .double(generationRate), "prompt_tokens_per_second": .double(promptRate),
            "steps_per_second": .double(stepRate), "ttft_ms": timeToFirst.map { .double($0 * 1000) } ?? .null,
            "tpot_ms": timePerToken.map { .double($0 * 1000) } ?? .null, "kv_usage": .double(cacheUse),
            "prefix_blocks": .double(cachedBlocks), "weight_gigabytes_per_second": .double(weightBytesPerSecond / 1e9),
            "resident_bytes": .double(residentBytes), "processor_share": .double(processorShare),
        ]
    }
}
