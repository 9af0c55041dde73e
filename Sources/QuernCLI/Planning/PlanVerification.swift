// Predicted against observed on this host: memory and speed of a real model.
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
        let loads = Self.contexts.flatMap { context in Self.batches.map { (batch: $0, context: context) } }
            .filter { $0.context <= maxContext && $0.batch <= maxBatch }
            .filter { $0.context + Self.generated($0.batch, $0.context) <= model.geometry.contextLength }
        guard !loads.isEmpty else {
            throw Failure.usage("no load to compare: the shortest has one sequence of \(Self.contexts[0]) tokens, and a few to generate")
        }
        let bar = ProgressReport("verifying")
        var lines: [Line] = []
        for (index, load) in loads.enumerated() {
            lines.append(try await measure(profile, batch: load.batch, context: load.context))
            bar.update(Double(index + 1) / Double(loads.count))
        }
        bar.finish()
        _ = try StandardOutput.write(json ? Self.json(lines).serialized(.pretty) + "\n" : text(lines))
    }

    /// Loads the model with room for exactly this load, as a daemon that such a plan describes would, and runs it.
    private func measure(_ profile: DeviceProfile, batch: Int, context: Int) async throws -> Line {
        let tokens = Self.generated(batch, context)
        let room = min(model.geometry.contextLength, (context + tokens + KVStorage.blockSize - 1) / KVStorage.blockSize * KVStorage.blockSize)
        var options = LoadOptions()
        options.contextLength = room
        options.maxSequences = batch
        let loaded = try LoadedModel.load(path: path, options: options)
        let load = BenchLoad(model: loaded)
        var workload = Workload(format: try Self.format())
        workload.input = context
        workload.output = tokens
        workload.batch = batch
        workload.context = room
        workload.weightBytes = loaded.info.format == "quern archive" ? model.storedBytes : nil
        var line = Line(batch: batch, context: context, predicted: try Plan(model.geometry, workload, on: profile))
        for _ in 0..<Self.rounds(context) {
            line.prefill.append(try await load.prefill(context, depth: 0).rate)
            line.decode.append(try await load.decode(tokens, depth: context, batch: batch).rate)
        }
        line.memory = Double(ProcessMemory.resident)
        await loaded.drain()
        return line
    }

    private static func format() throws -> TensorFormat {
        guard let format = TensorFormat.named("q8") else { throw Failure.general("no format q8") }
        return format
    }

    private func text(_ lines: [Line]) -> String {
        let head = "\(model.name)\n"
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
