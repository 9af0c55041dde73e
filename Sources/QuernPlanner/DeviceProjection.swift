// From what steps did here to what they would take on another device: its seconds, and what it would wait for.
//
// Owns: the arithmetic behind `quern serve --device` and its timings. Does not own: counting a step's work (the engine) or
// waiting (whoever delivers tokens). Invariant: a value type without a clock; it never sees a token, so a profile cannot
// change one.
import QuernModel

/// What one step, or several together, consisted of.
public struct StepWork: Sendable, Equatable {
    /// Steps in which sequences generated a token.
    public var steps: Int
    /// Tokens they generated: one for each sequence of each step.
    public var sequences: Int
    /// Positions that those looked at, together.
    public var positions: Int
    /// Prompt tokens computed in the same steps.
    public var promptTokens: Int
    /// Positions that each of those looks at, itself included, summed over them.
    public var promptPositions: Int

    public init(steps: Int = 1, sequences: Int, positions: Int, promptTokens: Int, promptPositions: Int) {
        self.steps = steps
        self.sequences = sequences
        self.positions = positions
        self.promptTokens = promptTokens
        self.promptPositions = promptPositions
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

    /// Seconds the steps would take on the device; low is the fast end.
    public func seconds(_ work: StepWork) -> Estimate {
        Estimate(
            low: cost(work, .fast).seconds, expected: expectedSeconds(work), high: cost(work, .slow).seconds)
    }

    /// The middle of `seconds`, at a third of the price.
    public func expectedSeconds(_ work: StepWork) -> Double { cost(work, .expected).seconds }

    /// What the device would wait for.
    public func bottleneck(_ work: StepWork) -> Bottleneck { cost(work, .expected).bottleneck }

    private func cost(_ work: StepWork, _ scenario: Scenario) -> Cost {
        let rates = Rates(profile, engine: engine, scenario: scenario)
        var cost = Cost()
        if work.sequences > 0 {
            // Steps of n and of n + 1 sequences make up a mean between them.
            let steps = Double(max(1, work.steps))
            let mean = min(Double(work.sequences) / steps, Double(Workload.limit))
            let fewer = max(1, Int(mean))
            let share = max(0, mean - Double(fewer))
            let context = Double(work.positions) / Double(work.sequences)
            for (batch, share) in [(fewer, 1 - share), (fewer + 1, share)] where share > 0 {
                var load = load
                load.batch = batch
                cost.add(StepModel(model: model, load: load, rates: rates).decodeStep(context: context), times: steps * share)
            }
        }
        if work.promptTokens > 0 {
            let steps = StepModel(model: model, load: load, rates: rates)
            cost.add(steps.prompts(tokens: Double(work.promptTokens), pairs: Double(work.promptPositions), headTokens: 0))
        }
        return cost
    }
}
