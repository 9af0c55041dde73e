// Predicted against observed on this host: memory and speed of a real model.
//
// Owns: which loads are compared. Invariant: what predicts and what is observed are timed in turns, so that a host that is slower
// or faster than when it was calibrated is not taken for an error of the model; how it has changed is reported beside.
import Foundation
import Quern
import QuernEngine
import QuernJSON
import QuernMeasure
import QuernModel
import QuernPlanner
import QuernTensor

struct PlanVerification {
    let path: String
    let model: PlannedModel
    /// Longest context and most sequences compared.
    let maxContext: Int
    let maxBatch: Int

    private static let batches = [1, 4, 8]
    private static let contexts = [128, 2048]
    /// Tokens that each sequence generates.
    private static let generated = 24
    private static let rounds = 5

    private struct Line {
        /// As stored, where the file is mapped; nil where it is quantised while it is loaded.
        let weightBytes: Double?
        let batch: Int
        let context: Int
        let memory: (predicted: Double, observed: Double)
        var decode: [Double] = []
        var prefill: [Double] = []
        /// By the calibration timed in turns with the loads, and by the stored one.
        var predicted: Plan
        let stored: Plan

        var decodeRates: (predicted: Double, observed: Double) { (predicted.decodeRate.expected, decode.median) }
        var prefillRates: (predicted: Double, observed: Double) { (predicted.prefillRate.expected, prefill.median) }
    }

    func run(json: Bool) async throws {
        let profile = try ProfileLocator.profile("host")
        let loads = Self.contexts.flatMap { context in Self.batches.map { (batch: $0, context: context) } }
            .filter { $0.context <= maxContext && $0.batch <= maxBatch }
            .filter { $0.context + Self.generated <= model.geometry.contextLength }
        guard let longest = loads.map(\.context).max(), let most = loads.map(\.batch).max() else {
            throw Failure.usage("no load to compare: the shortest has one sequence of \(Self.contexts[0]) tokens, and a few to generate")
        }
        let bar = ProgressReport("verifying")
        let turns = Double(loads.count + Self.rounds)
        var lines: [Line] = []
        for (index, load) in loads.enumerated() {
            lines.append(try await memory(profile, batch: load.batch, context: load.context))
            bar.update(Double(index + 1) / turns)
        }
        var probe = try HostProbe(threads: nil)
        // Room for what the longest load keeps, and for the prompts that are timed beside it.
        let loaded = try load(room: room(longest), sequences: most + 2)
        let load = BenchLoad(model: loaded)
        var prefill: [Int: [Double]] = [:]      // by context: the batch makes no difference to a prompt
        for round in 0..<Self.rounds {
            try await probe.round()
            for index in lines.indices {
                prefill[lines[index].context, default: []].append(try await load.prefill(lines[index].context, depth: 0).rate)
                lines[index].decode.append(
                    try await load.decode(Self.generated, depth: lines[index].context, batch: lines[index].batch).rate)
            }
            bar.update(Double(loads.count + round + 1) / turns)
        }
        await loaded.drain()
        bar.finish()
        let now = try recalibrated(profile, by: try probe.engine(rounds: Array(0..<Self.rounds), source: "quern plan --verify"))
        for index in lines.indices {
            let line = lines[index]
            lines[index].prefill = prefill[line.context] ?? []
            lines[index].predicted = try plan(now, batch: line.batch, context: line.context, weightBytes: line.weightBytes)
        }
        _ = try StandardOutput.write(json ? Self.json(lines).serialized(.pretty) + "\n" : text(lines))
    }

    /// The profile with the speeds of another calibration.
    private func recalibrated(_ profile: DeviceProfile, by engine: EngineCalibration) throws -> DeviceProfile {
        var facts = engine.facts
        for entry in profile.engines.first?.facts.entries ?? [] where ["threads", "process.memory", "process.memory.token"].contains(entry.key) {
            _ = facts.add(entry.key, entry.fact)
        }
        return DeviceProfile(
            id: profile.id, name: profile.name, facts: profile.facts, engines: [EngineCalibration(name: engine.name, facts: facts)])
    }

    /// Positions that a sequence of a load needs, in whole blocks; one more, because a prefix that ends within a block is copied.
    private func room(_ context: Int) -> Int {
        let blocks = (context + Self.generated + KVStorage.blockSize - 1) / KVStorage.blockSize + 1
        return min(model.geometry.contextLength, blocks * KVStorage.blockSize)
    }

    private func load(room: Int, sequences: Int) throws -> LoadedModel {
        var options = LoadOptions()
        options.contextLength = room
        options.maxSequences = sequences
        return try LoadedModel.load(path: path, options: options)
    }

    /// Loads the model with room for exactly this load, as a daemon that such a plan describes would, and runs it once.
    private func memory(_ profile: DeviceProfile, batch: Int, context: Int) async throws -> Line {
        let loaded = try load(room: room(context), sequences: batch)
        _ = try await BenchLoad(model: loaded).decode(Self.generated, depth: context, batch: batch)
        let observed = Double(ProcessMemory.resident)
        await loaded.drain()
        let weights = loaded.info.format == "quern archive" ? model.storedBytes : nil
        let plan = try plan(profile, batch: batch, context: context, weightBytes: weights)
        return Line(weightBytes: weights, batch: batch, context: context, memory: (plan.memory.total, observed), predicted: plan, stored: plan)
    }

    private func plan(_ profile: DeviceProfile, batch: Int, context: Int, weightBytes: Double?) throws -> Plan {
        guard let format = model.hostFormat else { throw Failure.general("no format q8") }
        var workload = Workload(format: format)
        workload.input = context
        workload.output = Self.generated
        workload.batch = batch
        workload.context = room(context)
        workload.weightBytes = weightBytes
        return try Plan(model.geometry, workload, on: profile)
    }

    /// How fast the host is, of what it was when it was calibrated.
    private static func drift(_ lines: [Line]) -> Double {
        lines.map { $0.predicted.decodeRate.expected / $0.stored.decodeRate.expected }.median
    }

    private func text(_ lines: [Line]) -> String {
        func cell(_ rates: (predicted: Double, observed: Double)) -> String {
            String(format: "%7.0f %7.0f %+5.1f %%", rates.predicted, rates.observed, (rates.predicted / rates.observed - 1) * 100)
        }
        let table = lines.map { line in
            let memory = (line.memory.predicted / 0x1p20, line.memory.observed / 0x1p20)
            return String(format: "%5d %7d | ", line.batch, line.context)
                + [cell(memory), cell(line.decodeRates), cell(line.prefillRates)].joined(separator: " | ") + "\n"
        }.joined()
        return "\(model.name)\n"
            + "batch context |   memory MiB  (error) |   decode tok/s  (error) |  prefill tok/s  (error)\n" + table
            + "predicted, observed, and how far the prediction is off; medians of \(Self.rounds) rounds, calibrated in turns with them\n"
            + String(format: "this host decodes at %.2f of the speed it had at `quern calibrate`\n", Self.drift(lines))
    }

    private static func json(_ lines: [Line]) -> JSONValue {
        [
            "loads": .array(lines.map { line in
                [
                    "batch": .int(Int64(line.batch)), "context": .int(Int64(line.context)), "memory": compared(line.memory),
                    "decode": compared(line.decodeRates), "prefill": compared(line.prefillRates),
                ]
            }),
            "rounds": .int(Int64(rounds)), "drift": .double(drift(lines)),
        ]
    }

    private static func compared(_ rates: (predicted: Double, observed: Double)) -> JSONValue {
        [
            "predicted": .double(rates.predicted), "observed": .double(rates.observed),
            "error": .double(rates.predicted / rates.observed - 1),
        ]
    }
}
