// `--device` and `--pace`: the device that a served model stands for.
//
// Owns: which profile that is, and what of it and of this host one model may use. Does not own: dividing the memory (Placement),
// timing answers (TargetDevice). Invariant: a model that the device cannot hold has a refusal, whoever loads it when.
import ArgumentParser
import Quern
import QuernCheckpoint
import QuernEngine
import QuernModel
import QuernPlanner
import QuernTensor

struct DeviceOptions: ParsableArguments {
    @Option(help: ArgumentHelp(
        "Live within this device, as `quern devices` names it or a profile file: its memory bounds the cache, and answers say how fast "
            + "it would be.",
        valueName: "name|file"))
    var device: String?

    @Flag(inversion: .prefixedNo, help: "Deliver tokens no faster than the device would, and mark them as simulated.")
    var pace: Bool?

    var isGiven: Bool { device != nil || pace != nil }

    /// Nil when no device is named.
    func device(_ settings: Settings) throws -> ServedDevice? {
        let isPaced = pace ?? settings.flag(.pace) ?? false
        guard let name = device ?? settings.text(.device) else {
            if isPaced { throw Failure.usage("--pace needs a device to keep the pace of: add --device, such as --device zhenwu-810e") }
            return nil
        }
        return ServedDevice(profile: try ProfileLocator.profile(name), isPaced: isPaced)
    }
}

/// A device that models are served on.
struct ServedDevice {
    let profile: DeviceProfile
    let isPaced: Bool

    /// What models may take of it together; nil when its memory is unknown.
    var memoryBudget: Int? { profile.modelBudget.map { Int(min($0, 1e18)) } }

    /// A model's place on the device.
    struct Place {
        let target: TargetDevice
        /// Bytes beside weights, keys and values.
        let workingBytes: Int
        /// Why it does not fit; nil when it does.
        let refusal: String?
    }

    /// Cuts `options` down to what the device, and `hostBudget` bytes of this host, hold.
    func place(_ checkpoint: any Checkpoint, named name: String, _ options: inout LoadOptions, hostBudget: Int) throws -> Place {
        let weights = Engine.weightEstimate(checkpoint, options: options)
        let load = try load(checkpoint, options, weights: weights)
        let geometry = ModelGeometry(checkpoint.config)
        let placement = try Placement(geometry, load, on: profile, block: KVStorage.blockSize)
        let target = TargetDevice(try DeviceProjection(geometry, load, on: profile), isPaced: isPaced)
        let working = Int(min(placement.workingBytes, 1e18))
        options.maxSequences = placement.sequences
        let room = placement.cacheBytes.map { Int(min($0, 1e18)) } ?? .max
        options.cacheByteLimit = min(LoadOptions.defaultCacheByteLimit, room, max(1, hostBudget - weights - working))
        return Place(target: target, workingBytes: working, refusal: placement.fits ? nil : placement.refusal(of: name))
    }

    /// What the engine keeps in memory, and at most computes at a time.
    private func load(_ checkpoint: any Checkpoint, _ options: LoadOptions, weights: Int) throws -> Workload {
        let isFloat = options.precision == .float32
        // An archive has its own bits per weight; whatever else is loaded gets eight.
        let names = isFloat ? ["f32"] : checkpoint is Archive ? ["q8", "q6", "q4"] : ["q8"]
        let bits = Double(weights) * 8 / Double(max(1, checkpoint.config.parameterCount))
        guard let format = PlannedModel.format(bits: bits, among: names) else { throw Failure.general("no format for the engine's weights") }
        var load = Workload(format: format.inGroups(of: Engine.groupSize(checkpoint, bits: options.weightBits)))
        load.context = try Engine.contextLength(checkpoint, options: options)
        load.parallel = max(1, options.maxSequences)
        let config = checkpoint.config
        let cached = KVStorage.bytesPerToken(
            layers: 1, kvHeads: config.kvHeadCount, headDim: config.headDim, format: isFloat ? .float32 : options.cacheFormat)
        load.cacheBytes = Double(cached) / Double(2 * config.kvHeadCount * config.headDim)
        load.weightBytes = Double(weights)
        return load
    }
}
