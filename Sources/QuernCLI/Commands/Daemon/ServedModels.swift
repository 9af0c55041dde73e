// Which models `quern serve` serves: those of the command line, then those of the configuration file.
//
// Invariant: every path was opened and its header read, so that a missing or malformed file, and a model of the start that is too
// large for the device, end the command at once.
import Foundation
import Quern
import QuernCheckpoint
import QuernEngine
import QuernServer
import QuernTensor

struct ServedModels {
    static let defaultSequences = 64
    private(set) var specifications: [ModelSpecification] = []
    private let device: ServedDevice?
    private let hostBudget: Int

    /// - Parameters:
    ///   - device: what the models have to fit; nil for this host alone.
    ///   - hostBudget: bytes of this host that models may take.
    init(_ command: Serve, _ settings: Settings, on device: ServedDevice?, hostBudget: Int) throws {
        self.device = device
        self.hostBudget = hostBudget
        let idle = Serve.seconds(command.idleUnload, settings, .idleUnload)
        var options = command.loading.loadOptions(settings)
        options.maxSequences = command.maxSequences ?? settings.integer(.maxSequences) ?? Self.defaultSequences
        if let seconds = Serve.seconds(command.queueTimeout, settings, .queueTimeout) { options.queueTimeout = .seconds(seconds) }
        // Without models on the command line the default model is first, wherever the file has it.
        let configured = settings.models
        let named = command.models.isEmpty ? [settings.text(.model) ?? configured.first?.name] : command.models.map(Optional.some)
        for name in named {
            if let model = configured.first(where: { $0.name.utf8.elementsEqual((name ?? "").utf8) }) {
                try add(model, options, idle, settings, preloads: true)
            } else {
                let checkpoint = try openCheckpoint(path: try ModelLocator.resolve(name, settings))
                try add(checkpoint, name: checkpoint.displayName, options, idle, preloads: true)
            }
        }
        for model in configured where !specifications.contains(where: { $0.name.utf8.elementsEqual(model.name.utf8) }) {
            try add(model, options, idle, settings, preloads: false)
        }
    }

    private mutating func add(
        _ model: ModelSettings, _ common: LoadOptions, _ idle: Int?, _ settings: Settings, preloads: Bool
    ) throws {
        var options = common
        if let context = model.integer(.context) { options.contextLength = context }
        if let sequences = model.integer(.maxSequences) { options.maxSequences = sequences }
        if let precision = model.text(.precision).flatMap(Precision.init) { options.precision = precision }
        if let format = model.text(.kv).flatMap(KVFormat.init) { options.cacheFormat = format }
        try add(
            try openCheckpoint(path: try ModelLocator.resolve(model.path, settings)), name: model.name, options,
            model.integer(.idleUnload) ?? idle, preloads: model.flag(.preload) ?? preloads)
    }

    private mutating func add(
        _ checkpoint: any Checkpoint, name: String, _ options: LoadOptions, _ idle: Int?, preloads: Bool
    ) throws {
        guard !specifications.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
            throw Failure(status: 78, message: "two models are named \"\(name)\"; name them in the configuration file")
        }
        var options = options
        let place = try device?.place(checkpoint, named: name, &options, hostBudget: hostBudget)
        if preloads, let refusal = place?.refusal { throw Failure(status: 65, message: refusal) }
        let estimate = try Engine.memoryEstimate(checkpoint, options: options) + (place?.workingBytes ?? 0)
        var specification = ModelSpecification(
            name: name, path: checkpoint.path, options: options, estimatedBytes: estimate, idleUnload: idle.map { .seconds($0) },
            preloads: preloads)
        (specification.device, specification.refusal) = (place?.target, place?.refusal)
        specifications.append(specification)
    }
}

extension ModelSettings {
    func integer(_ key: Key) -> Int? { if case .integer(let number)? = values[key] { number } else { nil } }
    func text(_ key: Key) -> String? { if case .text(let text)? = values[key] { text } else { nil } }
    func flag(_ key: Key) -> Bool? { if case .flag(let flag)? = values[key] { flag } else { nil } }
}
