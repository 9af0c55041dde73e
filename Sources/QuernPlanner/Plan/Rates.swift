// Speeds that a prediction is made with: calibrated terms where there are, else shares of the device's peaks.
//
// Owns: which fact answers which question, and the three scenarios. Does not own: how much work there is (StepModel).
// Invariant: in the slow scenario every rate is at its lowest and every time at its longest.
import QuernModel

/// Which end of every interval is taken.
public enum Scenario: Sendable, CaseIterable {
    case slow, expected, fast
}

struct Rates {
    private let device: FactTable
    private let engine: FactTable
    private let scenario: Scenario
    /// Nothing was measured, so the customary shares are used.
    private let isCalibrated: Bool

    init(_ profile: DeviceProfile, engine: EngineCalibration?, scenario: Scenario) {
        device = profile.facts
        self.engine = engine?.facts ?? FactTable()
        self.scenario = scenario
        isCalibrated = engine != nil
    }

    /// Bytes per second of weights in this kernel class.
    func read(_ kernel: String) -> Double { rate(engine.estimate("kernel.\(kernel).read") ?? parent(kernel, "read") ?? memory) }

    /// Seconds per layer that this kernel class adds.
    func overhead(_ kernel: String) -> Double {
        time(engine.estimate("kernel.\(kernel).overhead") ?? parent(kernel, "overhead") ?? Estimate(0))
    }

    /// Operations per second of this kernel class over many tokens.
    func compute(_ kernel: String) -> Double {
        rate(engine.estimate("kernel.\(kernel).compute") ?? parent(kernel, "compute") ?? arithmetic(kernel))
    }

    /// Keys and values; `group` query heads share them.
    func attentionRead(group: Int) -> Double {
        let grouped = group >= 4 ? engine.estimate("attention.read.grouped") : nil
        return rate(grouped ?? engine.estimate("attention.read") ?? memory)
    }

    /// How much longer attention takes than evenly divided work, where whole heads of a sequence go to few threads: 3 heads keep
    /// 2 threads busy for 2 turns, not 1.5.
    func imbalance(kvHeads: Int, batch: Int) -> Double {
        guard let threads = engine.estimate("threads")?.expected else { return 1 }
        let items = Double(kvHeads * batch)
        return (items / threads).rounded(.up) * threads / items
    }

    /// Attention has a kernel of its own for heads that share keys in groups of four and more.
    var hasGroupedRead: Bool { engine.estimate("attention.read.grouped") != nil }
    /// Arithmetic of attention while decoding; nil where reading alone was measured.
    var attentionStep: Double? { engine.estimate("attention.step").map(rate) }
    var attentionCompute: Double { rate(engine.estimate("attention.compute") ?? arithmetic("bf16")) }
    /// Speed of products in groups of this size, of that in the groups the engine was timed with.
    func groupShare(_ group: Int?) -> Double { group == 32 ? engine.estimate("groups.32")?.expected ?? 1 : 1 }
    var stateRead: Double { rate(engine.estimate("state.read") ?? memory) }
    /// Infinite where element-wise work is part of the layer's overhead.
    var activationRead: Double { engine.estimate("activation.read").map(rate) ?? .infinity }
    var activationPrompt: Double { engine.estimate("activation.prompt").map(rate) ?? activationRead }
    var layerOverhead: Double {
        time(engine.estimate("layer.overhead") ?? (isCalibrated ? Estimate(0) : Uncalibrated.layerOverhead))
    }
    var eagerOverhead: Double { time(engine.estimate("layer.overhead.eager") ?? Estimate(0)) }
    /// Positions beyond which steps are launched kernel by kernel.
    var graphLimit: Double { engine.estimate("graph.limit")?.expected ?? .infinity }
    var stepOverhead: Double { time(engine.estimate("step.overhead") ?? Estimate(0)) }
    var requestOverhead: Double { time(engine.estimate("request.overhead") ?? Estimate(0)) }
    var expertsOverhead: Double { time(engine.estimate("experts.overhead") ?? Estimate(0)) }
    var chunk: Double { engine.estimate("chunk")?.expected ?? Uncalibrated.chunk }
    var linkLatency: Double { time(engine.estimate("link.latency") ?? Uncalibrated.linkLatency) }
    /// Zero when the device has no known link.
    var linkBandwidth: Double {
        if let measured = engine.estimate("link.bandwidth") { return rate(measured) }
        let share = Uncalibrated.link
        return device.estimate("link.bandwidth").map { rate($0.scaled(share.low, share.expected, share.high)) } ?? 0
    }

    /// The device's bandwidth as kernels use it. The planner refuses a profile without one.
    private var memory: Estimate {
        if let measured = device.estimate("memory.read") {
            let share = Uncalibrated.measuredRead
            return measured.scaled(share.low, share.expected, share.high)
        }
        let share = Uncalibrated.read
        return (device.estimate("memory.bandwidth") ?? Estimate(0)).scaled(share.low, share.expected, share.high)
    }

    /// A kernel class without terms of its own has those of its kind: experts the projections', AWQ other 4-bit kernels'.
    private func parent(_ kernel: String, _ term: String) -> Estimate? {
        let kind = kernel.hasPrefix("experts-") ? String(kernel.dropFirst(8)) : kernel == "awq" ? "int4" : nil
        return kind.flatMap { engine.estimate("kernel.\($0).\(term)") ?? parent($0, term) }
    }

    /// Weight-only formats multiply in bf16; a device without the wanted arithmetic uses the next wider one.
    private func arithmetic(_ kernel: String) -> Estimate {
        let format = kernel.hasPrefix("experts-") ? String(kernel.dropFirst(8)) : kernel
        let order: [String] = switch format {
        case "f32": ["compute.f32", "compute.bf16"]
        case "fp8": ["compute.fp8", "compute.bf16"]
        default: ["compute.bf16", "compute.f32"]
        }
        let share = Uncalibrated.compute
        for key in order {
            if let known = device.estimate(key) { return known.scaled(share.low, share.expected, share.high) }
        }
        let ridge = Uncalibrated.operationsPerByte
        return memory.scaled(ridge.low, ridge.expected, ridge.high)
    }

    /// Operations per second over `tokens` tokens, weights read from memory included, from `kernel.CLASS.compute.N`; nil where
    /// no such steps were measured. Between measured numbers the time of a step grows evenly.
    func measuredCompute(_ kernel: String, tokens: Int) -> Double? {
        let prefix = "kernel.\(kernel).compute."
        let points = engine.entries.compactMap { entry -> (tokens: Double, rate: Double)? in
            guard entry.key.hasPrefix(prefix), let count = Double(entry.key.dropFirst(prefix.count)) else { return nil }
            return entry.fact.value.map { (count, rate($0)) }
        }.sorted { $0.tokens < $1.tokens }
        guard let first = points.first, let last = points.last else { return nil }
        let wanted = Double(tokens)
        if wanted <= first.tokens { return first.rate * wanted / first.tokens }
        guard let upper = points.firstIndex(where: { $0.tokens >= wanted }), upper > 0 else { return last.rate }
        let (a, b) = (points[upper - 1], points[upper])
        let (timeA, timeB) = (a.tokens / a.rate, b.tokens / b.rate)
        return wanted / (timeA + (timeB - timeA) * (wanted - a.tokens) / (b.tokens - a.tokens))
    }

    private func rate(_ estimate: Estimate) -> Double {
        switch scenario {
        case .slow: estimate.low * (1 - error)
        case .expected: estimate.expected
        case .fast: estimate.high * (1 + error)
        }
    }

    /// A time has its long end last in a profile; the defaults above name it by the speed it means.
    private func time(_ estimate: Estimate) -> Double {
        let (shortest, longest) = (min(estimate.low, estimate.high), max(estimate.low, estimate.high))
        return switch scenario {
        case .slow: longest * (1 + error)
        case .expected: estimate.expected
        case .fast: shortest * (1 - error)
        }
    }

    private var error: Double { engine.estimate("error")?.expected ?? 0 }
}
