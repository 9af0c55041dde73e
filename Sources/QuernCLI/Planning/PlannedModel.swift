// What `quern plan` plans for: a checkpoint's headers, or a config.json alone.
import Foundation
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernModel
import QuernPlanner
import QuernTensor

struct PlannedModel {
    let name: String
    let geometry: ModelGeometry
    /// The format the file is stored in; nil for a configuration without weights.
    let storedFormat: TensorFormat?
    /// The format in which the engine of this host holds it.
    let hostFormat: TensorFormat?
    /// What the stored weights occupy.
    let storedBytes: Double?

    /// - Parameter given: a model as everywhere, or a config.json, or a directory with one.
    init(_ given: String?, _ settings: Settings) throws {
        var isDirectory: ObjCBool = false
        let exists = given.map { FileManager.default.fileExists(atPath: $0, isDirectory: &isDirectory) } ?? false
        if let given, exists, given.hasSuffix(".json") {
            self = try Self(configPath: given)
            return
        }
        if let given, exists, isDirectory.boolValue, !Self.hasWeights(given) {
            self = try Self(configPath: given + "/config.json")
            return
        }
        let checkpoint = try openCheckpoint(path: try ModelLocator.resolve(given, settings))
        name = checkpoint.displayName
        geometry = ModelGeometry(checkpoint.config)
        let bytes = checkpoint.tensors.reduce(0.0) { $0 + Double($1.byteCount) }
        storedBytes = bytes
        let format = Self.format(bits: bytes * 8 / Double(max(1, geometry.parameterCount)))
        let group = Engine.groupSize(checkpoint)
        storedFormat = checkpoint is Archive ? format?.inGroups(of: group) : format
        hostFormat = TensorFormat.named("q8")?.inGroups(of: group)
    }

    private init(configPath: String) throws {
        name = ((configPath as NSString).deletingLastPathComponent as NSString).lastPathComponent
        geometry = try Self.geometry(configPath)
        storedFormat = nil
        hostFormat = TensorFormat.named("q8")
        storedBytes = nil
    }

    private static func hasWeights(_ folder: String) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.contains { $0.hasSuffix(".safetensors") }
    }

    /// A configuration is small; nothing larger is read.
    private static let maxConfigBytes = 1 << 24

    private static func geometry(_ path: String) throws -> ModelGeometry {
        func malformed(_ field: String, _ detail: String) -> CheckpointError {
            CheckpointError(.malformed, file: path, field: field, detail: detail)
        }
        let bytes: [UInt8]
        do throws(FileError) {
            let file = try RandomAccessFile(path: path)
            guard file.byteCount <= maxConfigBytes else { throw FileError.notRegular }
            bytes = try file.read(count: file.byteCount, at: 0)
        } catch {
            throw CheckpointError(.unreadable, file: path, field: "", detail: error.description)
        }
        do {
            return try ModelGeometry(configJSON: try JSONValue(parsing: bytes))
        } catch let error as ConfigError {
            throw malformed(error.pointer, error.reason)
        } catch let error as JSONError {
            throw malformed("", error.description)
        }
    }

    /// The format whose projections are nearest to this many bits per weight.
    static func format(bits: Double, among names: [String] = ["f32", "bf16", "q8", "q6", "q4"]) -> TensorFormat? {
        names.compactMap(TensorFormat.named).min {
            abs($0.projectionBits - bits) < abs($1.projectionBits - bits)
        }
    }
}
