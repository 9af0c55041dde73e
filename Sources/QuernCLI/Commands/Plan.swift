import ArgumentParser
import Foundation
import QuernJSON
import QuernModel
import QuernPlanner
import QuernTensor

/// What a device can hold and how fast it would be.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Predict what fits on a device and how fast it runs, here or on hardware you do not have.",
        discussion: """
            Reads headers only: a packed archive, a GGUF file, a safetensors directory, or a config.json alone, of llama, qwen2, \
            qwen3, qwen2_moe, qwen3_moe, qwen3_next, qwen3_5, qwen3_5_moe and seed_oss. Predictions are ranges: narrow where an \
            engine was measured on the device, wide where nobody did. `quern devices` lists devices and their sources.

            A model that does not fit exits with status 65 and the ledger of what it needs.

            Examples:
              quern plan models/qwen.quern
              quern plan config.json --device zhenwu-810e --precision bf16 --input 2048 --output 512 --batch 16
              quern plan config.json --device h20-96gb --device zhenwu-810e --compare
              quern plan config.json --device h20-96gb --chips 2 --context 131072 --parallel 4 --json
              quern plan config.json --device h200 --plot roofline.svg
              quern calibrate && quern plan models/qwen.quern --verify
            """)

    @Argument(help: "A model, a config.json, or a directory with one.")
    var model: String?

    @Option(help: "A device or a profile file; repeat to compare (default: this host once calibrated, else zhenwu-810e).")
    var device: [String] = []

    @Option(help: "A calibration of the profile (default: its first).")
    var engine: String?

    @Option(help: "Weights: f32, bf16, fp8, int8, int4 (GPTQ, AWQ), q8, q6, q4 (quern). Default: as stored, else bf16; q8 on the host.")
    var precision: String?

    @Option(help: "Keys and values: f32, f16 or int8.")
    var kv: KVFormat = .half

    @Option(help: "Prompt tokens of each request.")
    var input = 1024

    @Option(help: "Generated tokens of each request.")
    var output = 256

    @Option(help: "Requests computed together.")
    var batch = 1

    @Option(help: "Positions to keep memory for, per sequence (default: input + output).")
    var context: Int?

    @Option(help: "Sequences to keep memory for (default: batch).")
    var parallel: Int?

    @Option(help: "Chips that share the model.")
    var chips = 1

    @Option(help: "Memory of one chip, for devices sold in several sizes, such as 36GB or 64GiB.")
    var memory: String?

    @Option(help: "Power of one chip in watts (default: the profile's).")
    var watts: Double?

    @Option(help: "Price of one chip for an hour, in any currency.")
    var pricePerHour: Double?

    @Flag(help: "Several devices side by side: those named, else every profile that comes with quern.")
    var compare = false

    @Flag(help: "Run the model on this host, some minutes, and compare with its prediction; needs `quern calibrate`. Speeds are predicted from probes timed in turns with it. --context and --parallel bound the loads compared.")
    var verify = false

    @Option(help: "Write a roofline picture to this file.")
    var plot: String?

    @OptionGroup(title: "Configuration") var source: ConfigurationOptions

    @Flag(help: "Print JSON: an object, or with several devices an array of them.")
    var json = false

    func validate() throws {
        let counts = [("--input", input), ("--output", output), ("--batch", batch), ("--chips", chips)]
            + [("--context", context), ("--parallel", parallel)].compactMap { name, value in value.map { (name, $0) } }
        for (name, value) in counts where !(1...Workload.limit).contains(value) {
            throw ValidationError("\(name) is \(value), allowed is 1...\(Workload.limit)")
        }
        for (name, value) in [("--watts", watts), ("--price-per-hour", pricePerHour)] {
            if let value, !(value > 0 && value.isFinite) { throw ValidationError("\(name) is \(value), it must be positive") }
        }
        if let precision, TensorFormat.named(precision) == nil {
            let known = TensorFormat.all.map(\.name).joined(separator: ", ")
            throw ValidationError("--precision is \"\(precision)\"; known: \(known)")
        }
    }

    func run() async throws {
        let settings = try source.settings()
        let model = try PlannedModel(model, settings)
        if verify {
            return try await PlanVerification(
                path: try ModelLocator.resolve(self.model, settings), model: model, maxContext: context ?? .max, maxBatch: parallel ?? .max
            ).run(json: json)
        }
        let plans = try devices().map { try plan(model, on: $0) }
        if let plot { try write(RooflinePlot(plans).svg, to: plot) }
        if json {
            let values = plans.map { $0.json(watts: watts, pricePerHour: pricePerHour) }
            let value = values.count == 1 ? values[0] : .array(values)
            _ = try StandardOutput.write(value.serialized(.pretty) + "\n")
        } else {
            _ = try StandardOutput.write(PlanTable(plans, watts: watts, pricePerHour: pricePerHour).text)
        }
        if let tooSmall = plans.first(where: { $0.memory.fits == false }), !plans.contains(where: { $0.memory.fits != false }) {
            throw Failure(status: 65, message: "\(model.name) does not fit \(tooSmall.profile.id):\n\(PlanTable.ledger(tooSmall))")
        }
    }

    private func devices() throws -> [DeviceProfile] {
        let names = device.isEmpty ? (compare ? DeviceProfile.builtInNames : [ProfileLocator.defaultName]) : device
        return try names.map { name in
            let profile = try ProfileLocator.profile(name)
            guard let memory else { return profile }
            return try profile.withCapacity(memory)
        }
    }

    private func plan(_ model: PlannedModel, on profile: DeviceProfile) throws -> Plan {
        let fallback = profile.id == "host" ? model.hostFormat : model.storedFormat ?? TensorFormat.named("bf16")
        guard let format = precision.map(TensorFormat.named) ?? fallback else { throw Failure.usage("--precision is not known") }
        var load = Workload(format: format)
        load.input = input
        load.output = output
        load.batch = batch
        load.context = context
        load.parallel = parallel
        load.chips = chips
        load.cacheBytes = kv.bytesPerElement
        if precision == nil, format == model.storedFormat { load.weightBytes = model.storedBytes }
        // With every device compared, an engine's name is meant for those that have it.
        let engine = device.count == 1 || profile.engine(engine) != nil ? engine : nil
        return try Plan(model.geometry, load, on: profile, engine: engine)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try AtomicFile(path: path)
        try file.append(Array(text.utf8))
        try file.commit()
    }
}

extension KVFormat {
    /// Scales of int8 cost a little over a byte, which heads of 64 or 128 hide.
    var bytesPerElement: Double {
        switch self {
        case .float32: 4
        case .half: 2
        case .int8: 1
        }
    }
}
