// The configuration file: strict JSON whose every mistake is named with its line.
//
//     {
//       "model": "coder",
//       "threads": 4,
//       "memory_budget": "6GiB",
//       "models": {
//         "coder": { "path": "/srv/models/qwen2.5-coder-0.5b.quern", "context": 8192, "preload": true },
//         "chat": { "path": "/srv/models/qwen3-1.7b.quern", "idle_unload": "10m" }
//       }
//     }
//
// swift-configuration was not used: it neither finds unknown keys nor knows lines, which is most of what this file does.
// Invariant: a value is used only after its type and range were checked; nothing in the file is ignored.
import Foundation
import QuernJSON
import QuernTensor

/// What is wrong with the configuration, wherever it came from.
struct ConfigurationError: Error, CustomStringConvertible {
    let description: String
}

/// One of the models that a daemon serves by name.
struct ModelSettings: Sendable {
    let name: String
    let path: String
    var values: [Key: SettingValue] = [:]

    enum Key: String, CaseIterable {
        case path, context, precision, kv, preload
        case maxSequences = "max_sequences"
        case idleUnload = "idle_unload"

        var kind: SettingKind {
            switch self {
            case .path: .text
            case .context: SettingKey.context.kind
            case .precision: SettingKey.precision.kind
            case .kv: SettingKey.kv.kind
            case .maxSequences: SettingKey.maxSequences.kind
            case .idleUnload: SettingKey.idleUnload.kind
            case .preload: .flag
            }
        }
    }
}

struct ConfigurationFile {
    let path: String
    private(set) var values: [SettingKey: (value: SettingValue, line: Int)] = [:]
    private(set) var models: [ModelSettings] = []

    static let maxBytes = 1 << 20

    init(path: String) throws(ConfigurationError) {
        self.path = path
        func fail(_ reason: String, line: Int? = nil) -> ConfigurationError {
            ConfigurationError(description: path + (line.map { ":\($0)" } ?? "") + ": " + reason)
        }
        guard let status = FileStatus(path: path) else { throw fail(String(cString: strerror(errno))) }
        guard status.isRegularFile else { throw fail("is not a regular file") }
        guard status.mode & 0o002 == 0 else { throw fail("is writable by everybody; chmod o-w") }
        guard status.byteCount <= Self.maxBytes else { throw fail("has \(status.byteCount) bytes, the limit is \(Self.maxBytes)") }
        guard let data = FileManager.default.contents(atPath: path) else { throw fail("cannot be read") }
        let bytes = [UInt8](data)
        let json: JSONValue
        do {
            json = try JSONValue(parsing: bytes, limits: JSONLimits(maxDepth: 8))
        } catch {
            let line = bytes.prefix(error.byteOffset).count { $0 == 0x0A } + 1
            throw fail(error.reason, line: line)
        }
        guard let root = json.objectValue else { throw fail("the configuration is not an object", line: 1) }
        let lines = JSONKeyLines(bytes)
        for member in root.members {
            let line = lines[member.key]
            if member.key == "models" {
                models = try Self.models(member.value, lines, fail)
                continue
            }
            guard let key = SettingKey(rawValue: member.key) else {
                let hint = NearestName.hint(member.key, among: SettingKey.allCases.map(\.rawValue) + ["models"])
                throw fail("unknown key \"\(member.key.prefix(64))\"\(hint)", line: line)
            }
            guard let value = key.kind.value(of: member.value) else {
                throw fail("\(member.key) is \(member.value.serialized().prefix(64)), expected \(key.kind.expectation)", line: line)
            }
            values[key] = (value, line ?? 1)
        }
    }

    private static func models(
        _ json: JSONValue, _ lines: JSONKeyLines, _ fail: (String, Int?) -> ConfigurationError
    ) throws(ConfigurationError) -> [ModelSettings] {
        guard let members = json.objectValue?.members else { throw fail("models is \(json.typeName), expected an object", lines["models"]) }
        var models: [ModelSettings] = []
        for model in members {
            let path = "models/\(model.key)"
            guard let fields = model.value.objectValue?.members else {
                throw fail("\(path) is \(model.value.typeName), expected an object", lines[path])
            }
            var values: [ModelSettings.Key: SettingValue] = [:]
            for field in fields {
                let line = lines["\(path)/\(field.key)"]
                guard let key = ModelSettings.Key(rawValue: field.key) else {
                    let hint = NearestName.hint(field.key, among: ModelSettings.Key.allCases.map(\.rawValue))
                    throw fail("unknown key \"\(field.key.prefix(64))\" in \(path)\(hint)", line)
                }
                guard let value = key.kind.value(of: field.value) else {
                    throw fail("\(path)/\(field.key) is \(field.value.serialized().prefix(64)), expected \(key.kind.expectation)", line)
                }
                values[key] = value
            }
            guard case .text(let file)? = values[.path] else { throw fail("\(path) has no path", lines[path]) }
            models.append(ModelSettings(name: model.key, path: file, values: values))
        }
        return models
    }
}

extension SettingKind {
    /// The checked value of JSON; nil when it is not allowed.
    fileprivate func value(of json: JSONValue) -> SettingValue? {
        switch (self, json) {
        case (.flag, .bool(let flag)): .flag(flag)
        case (.integer, .int(let number)), (.size, .int(let number)), (.duration, .int(let number)): value(of: "\(number)")
        case (.text, .string(let text)), (.choice, .string(let text)), (.size, .string(let text)), (.duration, .string(let text)):
            value(of: text)
        default: nil
        }
    }
}
