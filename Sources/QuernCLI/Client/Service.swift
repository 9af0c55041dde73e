// Who answers a command: the daemon when one runs and serves the wanted model, else a model loaded in this process.
import ArgumentParser
import Foundation
import QuernJSON
import QuernServer

/// A model that answers, wherever it runs.
struct Service: Sendable {
    let client: APIClient
    let modelID: String
    let isDaemon: Bool
    /// Without one, prompts are continued as they are.
    let hasChatTemplate: Bool

    private init(_ client: APIClient, model: JSONValue, isDaemon: Bool) {
        self.client = client
        modelID = model["id"]?.stringValue ?? "model"
        hasChatTemplate = model["meta"]?["has_chat_template"]?.boolValue ?? true
        self.isDaemon = isDaemon
    }

    /// The daemon at `socket`; nil when none answers there, or it does not serve `wanted`, a name or a path.
    static func daemon(_ socket: String, serving wanted: String?, _ settings: Settings) async throws -> Service? {
        let client = APIClient(peer: .daemon(socket: socket))
        guard FileManager.default.fileExists(atPath: socket),
            let models = try? await client.get("/v1/models")["data"]?.arrayValue
        else { return nil }
        let resolved = wanted.flatMap { try? ModelLocator.resolve($0, settings) }.map { URL(filePath: $0).standardizedFileURL.path }
        let model = models.first { model in
            guard let wanted else { return true }
            let path = model["meta"]?["path"]?.stringValue.map { URL(filePath: $0).standardizedFileURL.path }
            return model["id"]?.stringValue == wanted || (path != nil && path == resolved)
        }
        return model.map { Service(client, model: $0, isDaemon: true) }
    }

    /// A model served inside this process.
    static func inProcess(_ service: LocalService) async throws -> Service {
        let client = APIClient(peer: .inProcess(service))
        return Service(client, model: try await client.get("/v1/models")["data"]?.arrayValue?.first ?? .null, isDaemon: false)
    }
}

/// Options of every command that asks a model.
struct ServiceOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "Model file or name; the daemon is used only if it serves that model.")
    var model: String?

    @Flag(help: "Never use a daemon.")
    var local = false

    @OptionGroup var sockets: SocketOptions
    @OptionGroup var loading: LoadingOptions
    @OptionGroup var target: DeviceOptions

    /// - Parameter maxSequences: how many sequences a model in this process computes together.
    func connect(maxSequences: Int) async throws -> Service {
        let settings = try loading.configuration.settings()
        // Loading options describe a model in this process, so they ask for one.
        if !local, !loading.isGiven, !target.isGiven, let daemon = try await Service.daemon(sockets.paths(settings).http, serving: model, settings) {
            return daemon
        }
        let device = try target.device(settings)
        let loaded = try loading.load(try ModelLocator.resolve(model, settings), settings, maxSequences: maxSequences, on: device)
        return try await Service.inProcess(LocalService(loaded, version: Quern.version, device: ProfileLocator.wallsIfReadable(device)))
    }
}
