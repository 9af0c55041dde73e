// Plans as a table for people: one column per device.

import QuernModel

/// Plans of one model and load on several devices.
public struct PlanTable {
    private let plans: [Plan]
    private let watts: Double?
    private let pricePerHour: Double?

    public init(_ plans: [Plan], watts: Double? = nil, pricePerHour: Double? = nil) {
        self.plans = plans
        self.watts = watts
        self.pricePerHour = pricePerHour
    }

    public var text: String {
        guard let first = plans.first else { return "" }
        var rows: [(String, [String])] = [("", plans.map(\.profile.id))]
        func row(_ label: String, _ value: (Plan) -> String) { rows.append((label, plans.map(value))) }
        row("engine") { $0.engine?.name ?? "not measured" }
        row("chips") { "\($0.load.chips)" }
        rows.append(("", []))
        row("weights") { bytes($0.memory.weights) }
        row("KV cache") { bytes($0.memory.kv) }
        if !first.model.deltaNetLayers.isEmpty { row("recurrent state") { bytes($0.memory.recurrent) } }
        row("activations") { bytes($0.memory.activations) }
        row("reserve") { bytes($0.memory.reserve) }
        row("total") { bytes($0.memory.total) }
        row("budget") { $0.memory.budget.map(bytes) ?? "unknown" }
        row("fits") { $0.memory.fits.map { $0 ? "yes" : "NO" } ?? "unknown" }
        row("chips needed") { $0.chipsNeeded.map { "\($0)" } ?? "–" }
        row("longest context") { capacity($0) }
        rows.append(("", []))
        row("prefill tok/s") { range($0.prefillRate) }
        row("  bound by") { $0.prefill.bottleneck.rawValue }
        row("decode tok/s") { range($0.decodeRate) }
        row("  bound by") { $0.step.bottleneck.rawValue }
        row("request s") { range($0.requestSeconds.asTimes) }
        row("request tok/s") { number($0.requestRate) }
        row("served ms/token") { range($0.servedSecondsPerToken.asTimes, scale: 1000) }
        if plans.contains(where: { $0.joulesPerToken(watts: watts) != nil }) {
            row("joules/token") { $0.joulesPerToken(watts: watts).map(number) ?? "unknown" }
        }
        if let pricePerHour { row("cost/1M tokens") { number($0.costPerMillion(pricePerHour: pricePerHour)) } }
        return header(first) + "\n\n" + aligned(rows) + "\n" + notes
    }

    /// The ledger alone, for a refusal.
    public static func ledger(_ plan: Plan) -> String {
        let memory = plan.memory
        let items = [
            ("weights", memory.weights), ("KV cache", memory.kv), ("recurrent state", memory.recurrent),
            ("activations", memory.activations), ("reserve", memory.reserve), ("total", memory.total),
        ]
        let lines = items.filter { $0.1 > 0 }.map { "  \($0.0): \(bytes($0.1))" }
        let needed = plan.chipsNeeded.map { "; \($0) chips hold it" } ?? ""
        let budget = "  budget of \(plan.profile.id): \(memory.budget.map(bytes) ?? "unknown")\(needed)"
        return (lines + [budget]).joined(separator: "\n")
    }

    private func header(_ plan: Plan) -> String {
        let load = plan.load
        return "\(plan.model.modelType), \(decimal(Double(plan.model.parameterCount) / 1e9, 2)) B parameters as \(load.format.name); "
            + "\(load.batch) x (\(load.input) + \(load.output)) tokens"
    }

    private var notes: String {
        plans.map { plan in
            let open = plan.facts.filter { $0.fact.value == nil }.map(\.key)
            let unknown = open.isEmpty ? "" : "; unknown: \(open.joined(separator: ", "))"
            let calibration = plan.engine == nil ? "nobody's measurements: ranges are wide" : "calibrated"
            return "\n\(plan.profile.id): \(calibration)\(unknown)"
        }.joined() + "\n"
    }

    private func aligned(_ rows: [(String, [String])]) -> String {
        let labels = rows.map(\.0.count).max() ?? 0
        let widths = plans.indices.map { column in rows.map { $0.1.indices.contains(column) ? $0.1[column].count : 0 }.max() ?? 0 }
        return rows.map { label, cells in
            if cells.isEmpty { return "" }
            var line = label.padded(to: labels)
            for (cell, width) in zip(cells, widths) { line += "  " + String(repeating: " ", count: width - cell.count) + cell }
            return line
        }.joined(separator: "\n")
    }

    private func capacity(_ plan: Plan) -> String {
        guard plan.memory.budget != nil else { return "unknown" }
        let one = plan.capacities.first { $0.sequences == 1 }.map { "\($0.context)" } ?? "none"
        let most = plan.capacities.last { $0.context >= plan.load.reservedContext }
        return most.map { "\(one), or \($0.sequences) x \(plan.load.reservedContext)" } ?? one
    }
}

private func bytes(_ count: Double) -> String { Unit.describe(count, .bytes) }

/// Three significant digits.
private func number(_ value: Double) -> String {
    decimal(value, value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 4)
}

private func range(_ estimate: Estimate, scale: Double = 1) -> String {
    let (low, high) = (number(estimate.low * scale), number(estimate.high * scale))
    let expected = number(estimate.expected * scale)
    return low == high ? expected : "\(expected) (\(low)–\(high))"
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
