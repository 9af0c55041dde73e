// A served model on a device: how many sequences, and how much memory for keys and values.
//
// Owns: dividing a budget. Does not own: what items take (MemoryLedger). Invariant: everything beside keys and values, with
// `cacheBytes` of those, stays within the budget, and `cacheBytes` holds one sequence of full length, or the model does not fit.
import QuernModel

public struct Placement: Sendable {
    /// One sequence of full length: the least that is of use, and what a refusal shows.
    public let least: Plan
    /// Sequences computed together: as many as were asked for, or as many as leave room for one of full length.
    public let sequences: Int
    /// Most bytes for keys and values; nil when the capacity is unknown.
    public let cacheBytes: Double?
    /// Bytes of recurrent states and intermediate results.
    public let workingBytes: Double
    private let block: Int

    /// - Parameters:
    ///   - load: `context` is the longest a sequence may be, `parallel` the sequences asked for.
    ///   - block: positions that memory is kept for together.
    public init(_ model: ModelGeometry, _ load: Workload, on profile: DeviceProfile, block: Int) throws(PlanError) {
        var load = load
        load.context = (load.reservedContext + block - 1) / block * block
        load.input = load.reservedContext
        self.block = block
        func ledger(_ sequences: Int) -> MemoryLedger {
            var some = load
            some.parallel = sequences
            return MemoryLedger(model, some, profile, engine: profile.engine(nil))
        }
        var one = load
        one.parallel = 1
        least = try Plan(model, one, on: profile)
        let cacheOfOne = least.memory.kv
        guard let budget = least.memory.budget else {
            let all = ledger(load.reservedSequences)
            (sequences, cacheBytes, workingBytes) = (load.reservedSequences, nil, all.recurrent + all.activations)
            return
        }
        var count = load.reservedSequences
        while count > 1, ledger(count).totalBesideCache + cacheOfOne > budget { count -= 1 }
        let most = ledger(count)
        sequences = count
        cacheBytes = max(0, budget - most.totalBesideCache)
        workingBytes = most.recurrent + most.activations
    }

    /// False when one sequence of full length is too much.
    public var fits: Bool { least.memory.fits != false }

    /// Why not, with the ledger and what would fit.
    public func refusal(of name: String) -> String {
        let context = largestContext
        let remedy = context > 0
            ? "a context of at most \(context) tokens fits" : "not even \(block) tokens fit: take a smaller model or device profile"
        return "\(name) with a context of \(least.load.reservedContext) tokens does not fit \(least.profile.id):\n"
            + "\(PlanTable.ledger(least))\n  \(remedy)"
    }

    /// Positions one sequence could have, in whole blocks; a shorter context also computes less at a time.
    private var largestContext: Int {
        func fits(_ blocks: Int) -> Bool {
            var load = least.load
            load.context = blocks * block
            load.input = blocks * block
            return MemoryLedger(least.model, load, least.profile, engine: least.engine).fits != false
        }
        var (fitting, tooMany) = (0, least.load.reservedContext / block)
        while tooMany - fitting > 1 {
            let middle = (fitting + tooMany) / 2
            if fits(middle) { fitting = middle } else { tooMany = middle }
        }
        return fitting * block
    }
}
