// The performance model: from a model, a load and rates to the time of a step, a prompt and a request.
//
// A step is a sum of parts that do not overlap: every matrix costs the longer of reading it and multiplying with it, and
// attention, recurrent state, element-wise work, launches and all-reduces come on top. Hand-over between chips follows
// Megatron's tensor parallelism (arXiv 1909.08053): two all-reduces per layer. Invariant: linear in the inverse rates, save
// for the choice of the longer part, so that a linear regression over `Cost.items` calibrates it.
import QuernModel

struct StepModel {
    let model: ModelGeometry
    let load: Workload
    let rates: Rates

    /// What a weight of attention costs besides the products, in elements of a head: its maximum, exponential and sum, against two
    /// multiplications an element.
    private static let exponential = 15

    private var chips: Double { Double(load.chips) }
    private var layerCount: Double { Double(model.layers.count) }

    /// One step that generates a token for each of `batch` sequences that are `context` positions long.
    func decodeStep(context: Double) -> Cost {
        var cost = Cost()
        matrices(tokens: load.batch, headTokens: load.batch, into: &cost)
        attentionReads(context: context, into: &cost)
        let state = 2 * Double(load.batch) * Double(model.recurrentElements) * 4
        cost.add(.rate("state.read", .recurrent, amount: state / chips, perSecond: rates.stateRead))
        perToken(tokens: Double(load.batch), steps: 1, activation: ("activation.read", rates.activationRead), into: &cost)
        return eagerIfNeeded(cost, context: context)
    }

    /// The prompts of the batch, from nothing to their first tokens.
    func prefill() -> Cost {
        let tokens = Double(load.batch) * Double(load.input)
        // Each position looks at itself and those before it.
        return prompts(tokens: tokens, pairs: tokens * Double(load.input + 1) / 2, headTokens: load.batch)
    }

    /// Prompt tokens that look at `pairs` positions together.
    func prompts(tokens: Double, pairs: Double, headTokens: Int) -> Cost {
        let steps = max(1, (tokens / rates.chunk).rounded(.up))
        let size = max(1, Int((tokens / steps).rounded(.up)))
        var step = Cost()
        matrices(tokens: size, headTokens: 0, into: &step)
        var cost = Cost()
        cost.add(step, times: tokens / Double(size))
        if headTokens > 0 { matrix(.head, tokens: headTokens, into: &cost) }
        let operations = pairs * model.attentionOperationsPerPair + tokens * model.recurrenceOperationsPerToken
        cost.add(.rate("attention.compute", .compute, amount: operations / chips, perSecond: rates.attentionCompute))
        perToken(tokens: tokens, steps: steps, activation: ("activation.prompt", rates.activationPrompt), into: &cost)
        return cost
    }

    /// All steps that generate `output` tokens for each sequence of the batch.
    func decode() -> Cost {
        let (first, count) = (Double(load.input), Double(load.output))
        // Positions grow by one per step and time grows evenly with them, so the middle stands for all; steps beyond the
        // graph limit are another kind.
        let replayed = min(max(rates.graphLimit - first, 0), count)
        var cost = Cost()
        if replayed > 0 { cost.add(decodeStep(context: first + (replayed - 1) / 2), times: replayed) }
        if replayed < count { cost.add(decodeStep(context: first + (replayed + count - 1) / 2), times: count - replayed) }
        return cost
    }

    func request() -> Cost {
        var cost = prefill()
        cost.add(decode())
        cost.add(.times("request.overhead", .launch, amount: 1, seconds: rates.requestOverhead))
        return cost
    }

    private func matrices(tokens: Int, headTokens: Int, into cost: inout Cost) {
        for tensors in [TensorClass.attention, .deltaNet, .feedForward, .experts, .vectors] {
            matrix(tensors, tokens: tokens, into: &cost)
        }
        if headTokens > 0 { matrix(.head, tokens: headTokens, into: &cost) }
    }

    /// The longer of reading a class of weights and multiplying with it. Where steps of that many tokens were timed as a whole, that
    /// figure counts, unless memory cannot keep up with it: what was timed may have fitted a cache.
    private func matrix(_ tensors: TensorClass, tokens: Int, into cost: inout Cost) {
        let kernel = load.format.kernel(of: tensors)
        let bytes = model.weightsRead(of: tensors, tokens: tokens) * load.format.bits(of: tensors) / 8 / chips
        let operations = 2 * model.weightsUsed(of: tensors) * Double(tokens) / chips
        let reading = CostItem.rate("kernel.\(kernel).read", .weights, amount: bytes, perSecond: rates.read(kernel))
        let share = rates.groupShare(load.format.group)
        if let measured = rates.measuredCompute(kernel, tokens: tokens).map({ $0 * share }) {
            let cause = reading.seconds > operations / measured / 2 ? Bottleneck.weights : .compute
            let timed = CostItem.rate("kernel.\(kernel).compute.\(tokens)", cause, amount: operations, perSecond: measured)
            return cost.add(reading.seconds > timed.seconds ? reading : timed)
        }
        let multiplying = CostItem.rate(
            "kernel.\(kernel).compute", .compute, amount: operations, perSecond: rates.compute(kernel))
        cost.add(reading.seconds >= multiplying.seconds ? reading : multiplying)
    }

    /// Keys and values of one chip; heads are dealt out whole, so that some are kept twice when chips outnumber them. Where
    /// arithmetic was measured too it comes on top: a host unpacks keys before it multiplies, once for all heads that share them.
    private func attentionReads(context: Double, into cost: inout Cost) {
        for attention in model.attentionLayers {
            let heads = (attention.kvHeads + load.chips - 1) / load.chips
            let uneven = rates.imbalance(kvHeads: heads, batch: load.batch)
            let positions = context * Double(load.batch)
            let bytes = Double(2 * heads * attention.headDim) * load.cacheBytes * positions
            let term = attention.groupSize >= 4 && rates.hasGroupedRead ? "attention.read.grouped" : "attention.read"
            cost.add(.rate(term, .kv, amount: bytes, perSecond: rates.attentionRead(group: attention.groupSize)))
            guard let rate = rates.attentionStep else { continue }
            // One thread reads nearly as fast as all of them, but it computes alone.
            let elements = heads * attention.groupSize * (attention.headDim + Self.exponential)
            let operations = 4 * Double(elements) * positions * uneven
            cost.add(.rate("attention.step", .kv, amount: operations, perSecond: rate))
        }
    }

    /// Work beside the matrices: element-wise passes, launches, all-reduces.
    private func perToken(tokens: Double, steps: Double, activation: (term: String, rate: Double), into cost: inout Cost) {
        if activation.rate.isFinite {
            let walked = tokens * Double(model.activationElementsPerToken) * 4 / chips
            cost.add(.rate(activation.term, .compute, amount: walked, perSecond: activation.rate))
        }
        cost.add(.times("layer.overhead", .launch, amount: steps * layerCount, seconds: rates.layerOverhead))
        let kernel = load.format.kernel
        cost.add(.times("kernel.\(kernel).overhead", .launch, amount: steps * layerCount, seconds: rates.overhead(kernel)))
        cost.add(.times(
            "experts.overhead", .launch, amount: steps * Double(model.expertLayers.count), seconds: rates.expertsOverhead))
        cost.add(.times("step.overhead", .launch, amount: steps, seconds: rates.stepOverhead))
        guard load.chips > 1 else { return }
        let reduces = 2 * layerCount
        cost.add(.times("link.latency", .link, amount: steps * reduces, seconds: rates.linkLatency))
        let bytes = reduces * tokens * Double(model.hiddenSize) * 2 * 2 * (chips - 1) / chips
        cost.add(.rate("link.bandwidth", .link, amount: bytes, perSecond: rates.linkBandwidth))
    }

    /// Beyond the graph limit the host launches kernel by kernel, beside the device's work: the longer of the two counts.
    private func eagerIfNeeded(_ cost: Cost, context: Double) -> Cost {
        guard context >= rates.graphLimit else { return cost }
        let host = CostItem.times("layer.overhead.eager", .launch, amount: layerCount, seconds: rates.eagerOverhead)
        guard host.seconds > cost.seconds else { return cost }
        var eager = Cost()
        eager.add(host)
        return eager
    }
}
