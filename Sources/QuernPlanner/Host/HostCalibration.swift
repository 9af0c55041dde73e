// From timed steps of synthetic models to the terms of a host's profile.
//
// Owns: the regression. Does not own: running models or clocks (the command does). The step model is linear in the inverse
// rates, so the terms are the non-negative least squares of relative errors over all probes. Which probes there are decides
// what can be told apart: a model of almost nothing but layers shows their overhead, two widths tell products from
// element-wise work, two contexts show attention.
// Invariant: no term is negative, and no product faster than the machine multiplies; what noise would make so is dropped or bounded.
import QuernModel

/// A timed step: what ran and how long it took.
public struct StepProbe: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// One token for each sequence, all at about this context.
        case decode(sequences: Int, context: Double)
        /// A whole prompt from nothing.
        case prefill(tokens: Int)
    }

    public let kind: Kind
    public let seconds: Double

    public init(_ kind: Kind, seconds: Double) {
        self.kind = kind
        self.seconds = seconds
    }
}

/// Timings of one synthetic model.
public struct ModelProbe: Sendable {
    public let model: ModelGeometry
    public let probes: [StepProbe]

    public init(_ model: ModelGeometry, _ probes: [StepProbe]) {
        self.model = model
        self.probes = probes
    }
}

public struct HostCalibration: Sendable {
    private let subjects: [ModelProbe]
    private let format: TensorFormat
    private let chunk: Int
    private let source: String
    private let productCeiling: Double

    /// - Parameters:
    ///   - subjects: timings of several models.
    ///   - chunk: prompt tokens of one step.
    ///   - source: who measured, for the profile.
    ///   - productCeiling: operations per second that no product exceeds: without it a step's elements and its products, which two models
    ///     tell apart by a little only, take from each other.
    public init(_ subjects: [ModelProbe], format: TensorFormat, chunk: Int, source: String, productCeiling: Double = .infinity) {
        self.subjects = subjects
        self.format = format
        self.chunk = chunk
        self.source = source
        self.productCeiling = productCeiling
    }

    /// Terms other than products.
    private static let shared: [(key: String, dimension: Dimension)] = [
        ("layer.overhead", .seconds), ("activation.read", .bytesPerSecond), ("activation.prompt", .bytesPerSecond),
        ("attention.read", .bytesPerSecond),
        ("attention.step", .operationsPerSecond), ("attention.compute", .operationsPerSecond),
    ]

    /// The terms that the probes show, as a calibration of this name.
    public func engine(named name: String) -> EngineCalibration {
        let products = stepSizes.map { (key: "kernel.\(format.kernel).compute.\($0)", dimension: Dimension.operationsPerSecond) }
        let unknowns = Self.shared + products
        let least = Self.shared.map { _ in 0.0 } + products.map { _ in 1 / productCeiling }
        let rates = Rates(unit(unknowns), engine: unit(unknowns).engines.first, scenario: .expected)
        var rows: [[Double]] = []
        for subject in subjects {
            for probe in subject.probes where probe.seconds > 0 {
                let cost = cost(probe.kind, subject.model, rates)
                rows.append(unknowns.map { cost.amount(of: $0.key) / probe.seconds })
            }
        }
        var table = FactTable()
        for (unknown, seconds) in zip(unknowns, leastSquares(rows, atLeast: least)) where seconds > 0 {
            add(unknown.key, unknown.dimension == .seconds ? seconds : 1 / seconds, unknown.dimension, to: &table)
        }
        add("chunk", Double(chunk), .count, to: &table)
        return EngineCalibration(name: name, facts: table)
    }

    private func add(_ key: String, _ value: Double, _ dimension: Dimension, to table: inout FactTable) {
        _ = table.add(key, Fact(value: Estimate(value), dimension: dimension, confidence: .measured, source: source))
    }

    /// Numbers of tokens that steps of the probes had.
    private var stepSizes: [Int] {
        let sizes = subjects.flatMap(\.probes).map { probe in
            switch probe.kind {
            case .decode(let sequences, _): sequences
            case .prefill(let tokens): min(tokens, chunk)
            }
        }
        return Set(sizes).sorted()
    }

    /// A device on which every unknown costs one second a unit, so that a term's time is its work.
    private func unit(_ unknowns: [(key: String, dimension: Dimension)]) -> DeviceProfile {
        var device = FactTable()
        add("memory.read", .greatestFiniteMagnitude, .bytesPerSecond, to: &device)
        var engine = FactTable()
        for unknown in unknowns { add(unknown.key, 1, unknown.dimension, to: &engine) }
        add("chunk", Double(chunk), .count, to: &engine)
        return DeviceProfile(
            id: "unit", name: "unit", facts: device, engines: [EngineCalibration(name: "unit", facts: engine)])
    }

    private func cost(_ kind: StepProbe.Kind, _ model: ModelGeometry, _ rates: Rates) -> Cost {
        var load = Workload(format: format)
        switch kind {
        case .decode(let sequences, let context):
            load.batch = sequences
            return StepModel(model: model, load: load, rates: rates).decodeStep(context: context)
        case .prefill(let tokens):
            load.input = tokens
            return StepModel(model: model, load: load, rates: rates).prefill()
        }
    }
}

extension Cost {
    fileprivate func amount(of term: String) -> Double {
        items.reduce(0) { $0 + ($1.term == term ? $1.amount : 0) }
    }
}

/// The x that minimises the squares of (row . x - 1) over the rows and is nowhere below `least`, by cyclic coordinate descent.
private func leastSquares(_ rows: [[Double]], atLeast least: [Double]) -> [Double] {
    guard let count = rows.first?.count else { return [] }
    // Columns differ by many orders of magnitude; each is measured in its largest entry.
    let scales = (0..<count).map { column in rows.reduce(0) { max($0, $1[column]) } }
    let floors = zip(least, scales).map { $0 * $1 }
    var x = floors
    var residuals = rows.map { row in zip(row, least).reduce(-1) { $0 + $1.0 * $1.1 } }
    for _ in 0..<20_000 {
        for column in 0..<count where scales[column] > 0 {
            var (slope, square) = (0.0, 0.0)
            for (row, residual) in zip(rows, residuals) {
                let entry = row[column] / scales[column]
                slope += entry * residual
                square += entry * entry
            }
            let step = max(x[column] - slope / square, floors[column]) - x[column]
            x[column] += step
            for index in rows.indices { residuals[index] += step * rows[index][column] / scales[column] }
        }
    }
    return zip(x, scales).map { $1 > 0 ? $0 / $1 : 0 }
}
