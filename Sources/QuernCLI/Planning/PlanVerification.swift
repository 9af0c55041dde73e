// Predicted against observed on this host: memory and speed of a real model.
import Foundation
import Quern
import QuernEngine
import QuernJSON
import QuernMeasure
import QuernModel
import QuernPlanner

struct PlanVerification {
    let path: String
    let model: PlannedModel

    private static let batches = [1, 4, 8]
    private static let contexts = [128, 2048]
    /// Tokens each sequence generates: sequences decode while later ones still read their prompts, and all must live until
    /// the last has decoded for a while.
    private static func generated(_ batch: Int, _ context: Int) -> Int {
        24 + (batch - 1) * (context + HostProbe.chunk - 1) / HostProbe.chunk
    }

    /// Short loads are repeated; long ones take long enough to be their own median.
    private static func rounds(_ context: Int) -> Int { context > 512 ? 1 : 3 }

    private struct Line {
        let batch: Int
        let context: Int
        let predicted: Plan
        var decode: [Double] = []
        var prefill: [Double] = []
        var memory = 0.0

        /// Relative errors of memory, decoding and prompts.
        var errors: (memory: Double, decode: Double, prefill: Double) {
            (
                predicted.memory.total / memory - 1, predicted.decodeRate.expected / decode.median - 1,
                predicted.prefillRate.expected / prefill.median - 1
            )
        }
    }

    func run(json: Bool) async throws {
        let profile = try ProfileLocator.profile("host")
        let contexts = Self.contexts.filter { $0 + Self.generated(8, $0) <= model.geometry.contextLength }
        guard let longest = contexts.last, let most = Self.batches.last else {
            throw Failure.usage("the model's context of \(model.geometry.contextLength) is shorter than any load compared")
        }
        var options = LoadOptions()
        options.contextLength = min(model.geometry.contextLength, longest + 512)
        options.maxSequences = most
        let loaded = try LoadedModel.load(path: path, options: options)
        let load = BenchLoad(model: loaded)
        // Ascending, since what a load touched stays resident.
        var lines = try contexts.flatMap { context in
            try Self.batches.map { Line(batch: $0, context: context, predicted: try plan(profile, $0, context, loaded)) }
        }
        let bar = ProgressReport("verifying")
        let total = Double(lines.reduce(0) { $0 + Self.rounds($1.context) })
        var done = 0.0
        for round in 0..<(contexts.map(Self.rounds).max() ?? 0) {
            for context in contexts where round < Self.rounds(context) {
                let prefill = try await load.prefill(context, depth: 0).rate
                for index in lines.indices where lines[index].context == context {
                    let batch = lines[index].batch
                    let tokens = Self.generated(batch, context)
                    lines[index].decode.append(try await load.decode(tokens, depth: context, batch: batch).rate)
                    lines[index].prefill.append(prefill)
                    if round == 0 { lines[index].memory = Double(ProcessMemory.resident) }
                    done += 1
                    bar.update(done / total)
                }
            }
        }
        bar.finish()
        _ = try StandardOutput.write(json ? Self.json(lines).serialized(.pretty) + "\n" : text(lines, loaded))
    }

    private func plan(_ profile: DeviceProfile, _ batch: Int, _ context: Int, _ loaded: LoadedModel) throws -> Plan {
        guard let format = TensorFormat.named("q8") else { throw Failure.general("no format q8") }
        var load = Workload(format: format)
        load.input = context
        load.output = Self.generated(batch, context)
        load.batch = batch
        load.weightBytes = loaded.info.format == "quern archive" ? model.storedBytes : nil
        return try Plan(model.geometry, load, on: profile)
    }

    private func text(_ lines: [Line], _ loaded: LoadedModel) -> String {
        let head = "\(loaded.info.id): \(loaded.info.threads) threads, \(loaded.info.instructionSet)\n"
            + "batch context |   memory MiB  (error) |   decode tok/s  (error) |  prefill tok/s  (error)\n"
        return head + lines.map { line in
            func cell(_ predicted: Double, _ observed: Double) -> String {
                String(format: "%7.0f %7.0f %+5.1f %%", predicted, observed, (predicted / observed - 1) * 100)
            }
            return String(format: "%5d %7d | ", line.batch, line.context)
                + [
                    cell(line.predicted.memory.total / 0x1p20, line.memory / 0x1p20),
                    cell(line.predicted.decodeRate.expected, line.decode.median),
                    cell(line.predicted.prefillRate.expected, line.prefill.median),
                ].joined(separator: " | ") + "\n"
        }.joined() + "predicted, observed, and how far the prediction is off\n"
    }

    private static func json(_ lines: [Line]) -> JSONValue {
        .array(lines.map { line in
            [
                "batch": .int(Int64(line.batch)), "context": .int(Int64(line.context)),
                "memory": compared(line.predicted.memory.total, line.memory, line.errors.memory),
                "decode": compared(line.predicted.decodeRate.expected, line.decode.median, line.errors.decode),
                "prefill": compared(line.predicted.prefillRate.expected, line.prefill.median, line.errors.prefill),
            ]
        })
    }

    private static func compared(_ predicted: Double, _ observed: Double, _ error: Double) -> JSONValue {
        ["predicted": .double(predicted), "observed": .double(observed), "error": .double(error)]
    }
}
