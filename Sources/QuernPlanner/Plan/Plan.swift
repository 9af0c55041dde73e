// A plan: what a device makes of a model and a load. The planner's answer, free of files and terminals.
//
// Owns: putting ledger, step model and scenarios together. Invariant: equal inputs give equal plans.
import QuernModel

public struct PlanError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
}

public struct Plan: Sendable {
    public let model: ModelGeometry
    public let profile: DeviceProfile
    public let engine: EngineCalibration?
    public let load: Workload
    public let memory: MemoryLedger
    /// Terms of one decode step in the middle of the request, of the prompts, and of the whole request; expected values.
    public let step: Cost
    public let prefill: Cost
    public let request: Cost
    /// Tokens per second of all sequences together.
    public let decodeRate: Estimate
    /// Prompt tokens per second.
    public let prefillRate: Estimate
    /// Seconds of the whole request.
    public let requestSeconds: Estimate
    /// Seconds between tokens when prompts of other requests are computed in between, each sequence being replaced by a new
    /// one when it ends.
    public let servedSecondsPerToken: Estimate

    /// - Parameter engine: a calibration of the profile; nil takes its first.
    public init(_ model: ModelGeometry, _ load: Workload, on profile: DeviceProfile, engine name: String? = nil) throws(PlanError) {
        let engine = profile.engine(name)
        if let name, engine == nil {
            let known = profile.engines.map(\.name).joined(separator: ", ")
            throw PlanError(description: "\(profile.id) has no engine \"\(name)\"; known: \(known.isEmpty ? "none" : known)")
        }
        guard profile.facts.estimate("memory.read") != nil || profile.facts.estimate("memory.bandwidth") != nil else {
            throw PlanError(description: "\(profile.id) says neither memory.read nor memory.bandwidth, so nothing can be predicted")
        }
        guard load.chips <= profile.maxChips else {
            throw PlanError(description: "\(load.chips) chips asked for; \(profile.id) connects \(profile.maxChips)")
        }
        guard load.chips == 1 || engine?.facts.estimate("link.bandwidth") ?? profile.facts.estimate("link.bandwidth") != nil else {
            throw PlanError(description: "\(profile.id) does not say link.bandwidth, so several chips cannot be planned")
        }
        func steps(_ scenario: Scenario) -> StepModel {
            StepModel(model: model, load: load, rates: Rates(profile, engine: engine, scenario: scenario))
        }
        let (slow, expected, fast) = (steps(.slow), steps(.expected), steps(.fast))
        func each(_ value: (StepModel) -> Double) -> Estimate {
            Estimate(low: value(slow), expected: value(expected), high: value(fast))
        }
        self.model = model
        self.profile = profile
        self.engine = engine
        self.load = load
        memory = MemoryLedger(model, load, profile, engine: engine)
        let middle = Double(load.input) + Double(load.output) / 2
        let (batch, prompts) = (Double(load.batch), Double(load.batch) * Double(load.input))
        step = expected.decodeStep(context: middle)
        prefill = expected.prefill()
        request = expected.request()
        decodeRate = each { batch / $0.decodeStep(context: middle).seconds }
        prefillRate = each { prompts / $0.prefill().seconds }
        requestSeconds = each { $0.request().seconds }
        servedSecondsPerToken = each { $0.decodeStep(context: middle).seconds + $0.prefill().seconds / Double(load.output) }
    }

    /// The fewest chips, by powers of two, that hold the model; nil when the profile's most do not or the capacity is unknown.
    public var chipsNeeded: Int? {
        var chips = 1
        while chips <= profile.maxChips {
            var wider = load
            wider.chips = chips
            guard let fits = MemoryLedger(model, wider, profile, engine: engine).fits else { return nil }
            if fits { return chips }
            chips *= 2
        }
        return nil
    }

    /// The longest context for 1, 2, 4 … sequences, until less than `load.input` tokens remain.
    public var capacities: [(sequences: Int, context: Int)] {
        var list: [(Int, Int)] = []
        var sequences = 1
        while sequences <= 1024, let context = memory.largestContext(sequences: sequences, model, load), context >= 128 {
            list.append((sequences, context))
            sequences *= 2
        }
        return list
    }

    /// Tokens per second of the whole request, prompt and answer counted, as the Qwen3 speed tables define it.
    public var requestRate: Double {
        Double(load.batch) * Double(load.input + load.output) / requestSeconds.expected
    }

    /// Bytes one decode step reads, over all chips.
    public var stepBytes: Double {
        step.items.reduce(0) { $0 + ([.weights, .kv, .recurrent].contains($1.cause) ? $1.amount : 0) } * Double(load.chips)
    }

    /// Joules of one generated token under load, prompts included; nil when nobody says what a chip draws.
    public func joulesPerToken(watts: Double?) -> Double? {
        let perChip = watts ?? profile.facts.estimate("power")?.expected
        return perChip.map { $0 * Double(load.chips) * requestSeconds.expected / (Double(load.batch) * Double(load.output)) }
    }

    /// What a million generated tokens cost at this price per hour of one chip.
    public func costPerMillion(pricePerHour: Double) -> Double {
        pricePerHour * Double(load.chips) * requestSeconds.expected / 3600 / (Double(load.batch) * Double(load.output)) * 1e6
    }

    /// The facts that this plan rests on, those of the device first.
    public var facts: [(key: String, fact: Fact)] {
        let terms = Set(request.items.map(\.term))
        let used = (engine?.facts.entries ?? []).filter { entry in
            terms.contains(entry.key) || entry.key.hasPrefix("kernel.\(load.format.kernel).") || entry.key == "error"
        }
        return profile.facts.entries + used
    }
}
