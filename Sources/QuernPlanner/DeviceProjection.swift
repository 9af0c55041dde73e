// From what a step did here to what it would take on another device: shares of the roofline, the projected rate, the delay
// that simulates it.
//
// Owns: the arithmetic behind `quern serve --device` and its timings. Does not own: counting a step's bytes (the engine) or
// waiting (whoever delivers tokens). Invariant: a value type without a clock; it never sees a token, so a profile cannot
// change one.
import QuernModel

/// What a step consisted of.
public struct StepWork: Sendable, Equatable {
    /// Sequences that generated a token.
    public var sequences: Int
    /// Positions of their caches, together.
    public var positions: Int
    /// Prompt tokens computed in the same step.
    public var promptTokens: Int
    /// Positions that each of those looks at, itself included, summed over them.
    public var promptPositions: Int
    /// Bytes read here: weights, keys and values.
    public var bytes: Int

    public init(sequences: Int, positions: Int, promptTokens: Int, promptPositions: Int, bytes: Int) {
        self.sequences = sequences
        self.positions = positions
        self.promptTokens = promptTokens
        self.promptPositions = promptPositions
        self.bytes = bytes
    }
}

public struct DeviceProjection: Sendable {
    public let profile: DeviceProfile
    private let model: ModelGeometry
    private let load: Workload
    private let engine: EngineCalibration?

    /// - Parameter load: format and chips count; lengths come with each step.
    public init(_ model: ModelGeometry, _ load: Workload, on profile: DeviceProfile, engine: String? = nil) throws(PlanError) {
        let plan = try Plan(model, load, on: profile, engine: engine)
        self.profile = profile
        self.model = model
        self.load = load
        self.engine = plan.engine
    }

    /// Seconds the step would take on the device; low is the fast end.
    public func seconds(_ work: StepWork) -> Estimate {
        func time(_ scenario: Scenario) -> Double { cost(work, scenario).seconds }
        return Estimate(low: time(.fast), expected: time(.expected), high: time(.slow))
    }

    /// What the device would wait for.
    public func bottleneck(_ work: StepWork) -> Bottleneck { cost(work, .expected).bottleneck }

    /// Tokens per second of the device where every step is like this one.
    public func rate(_ work: StepWork) -> Estimate {
        let seconds = seconds(work)
        let tokens = Double(max(1, work.sequences + work.promptTokens))
        return Estimate(low: tokens / seconds.high, expected: tokens / seconds.expected, high: tokens / seconds.low)
    }

    /// Share of the device's bandwidth that reading these bytes in this time amounts to; 0 for an empty step.
    public func rooflineShare(bytes: Int, seconds: Double) -> Double {
        guard seconds > 0 else { return 0 }
        let read = Rates(profile, engine: engine, scenario: .expected).read(load.format.kernel) * Double(load.chips)
        return Double(bytes) / seconds / read
    }

    /// Seconds to hold a step's tokens back so that they come at the device's pace; 0 where this host is the slower one.
    public func delay(_ work: StepWork, took seconds: Double) -> Double { max(0, self.seconds(work).expected - seconds) }

    private func cost(_ work: StepWork, _ scenario: Scenario) -> Cost {
        var load = load
        let rates = Rates(profile, engine: engine, scenario: scenario)
        var cost = Cost()
        if work.sequences > 0 {
            load.batch = work.sequences
            let context = Double(work.positions) / Double(work.sequences)
            cost.add(StepModel(model: model, load: load, rates: rates).decodeStep(context: context))
        }
        if work.promptTokens > 0 {
            let steps = StepModel(model: model, load: load, rates: rates)
            cost.add(steps.prompts(tokens: Double(work.promptTokens), pairs: Double(work.promptPositions), headTokens: 0))
        }
        return cost
    }
}
