// The files of a Hugging Face model directory, opened by plain names only.
import Foundation
import QuernJSON
import QuernTensor

struct ModelDirectory: Sendable {
    static let maxFileBytes = 128 << 20
    static let maxShards = 4096

    let path: String

    func file(_ name: String) -> String { path.hasSuffix("/") ? path + name : path + "/" + name }

    /// The file's bytes; nil when there is no such file.
    func bytes(_ name: String) throws(CheckpointError) -> [UInt8]? {
        let file: RandomAccessFile
        do {
            file = try openFile(self.file(name))
        } catch {
            if error.code == .missing { return nil }
            throw error
        }
        guard file.byteCount <= Self.maxFileBytes else {
            throw CheckpointError(
                .malformed, file: file.path, field: "size",
                detail: "is \(file.byteCount) bytes, the limit is \(Self.maxFileBytes)")
        }
        do throws(FileError) {
            return try file.read(count: file.byteCount, at: 0)
        } catch {
            throw CheckpointError(error, file: file.path, field: "")
        }
    }

    func json(_ name: String) throws(CheckpointError) -> JSONValue? {
        guard let bytes = try bytes(name) else { return nil }
        do throws(JSONError) {
            return try JSONValue(parsing: bytes)
        } catch {
            throw CheckpointError(
                .malformed, file: file(name), field: "JSON", byteOffset: error.byteOffset, detail: error.reason)
        }
    }

    func requiredJSON(_ name: String) throws(CheckpointError) -> JSONValue {
        guard let value = try json(name) else {
            throw CheckpointError(.missing, file: file(name), field: "", detail: "no such file; a model directory needs it")
        }
        return value
    }

    /// Shard file names with the tensors the index expects in each; one shard without expectations when there is no index.
    func shards() throws(CheckpointError) -> [(name: String, tensors: Set<String>?)] {
        let indexName = "model.safetensors.index.json"
        guard let index = try json(indexName) else { return [("model.safetensors", nil)] }
        guard let map = index["weight_map"]?.objectValue else {
            throw CheckpointError(.malformed, file: file(indexName), field: "/weight_map", detail: "is not an object")
        }
        var shards: [String: Set<String>] = [:]
        for member in map.members {
            guard let shard = member.value.stringValue else {
                throw CheckpointError(
                    .malformed, file: file(indexName), field: "/weight_map/\(printable(member.key.utf8))",
                    detail: "is \(member.value.typeName), expected a file name")
            }
            try requireInside(shard, index: indexName)
            shards[shard, default: []].insert(member.key)
        }
        guard shards.count <= Self.maxShards, !shards.isEmpty else {
            throw CheckpointError(
                .malformed, file: file(indexName), field: "/weight_map",
                detail: "names \(shards.count) shards, allowed is 1...\(Self.maxShards)")
        }
        return shards.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A shard is a plain file name whose real path stays inside the directory.
    private func requireInside(_ shard: String, index: String) throws(CheckpointError) {
        let isPlain = !shard.isEmpty && shard != "." && shard != ".." && !shard.contains("/") && !shard.contains("\0")
        let root = URL(filePath: path).resolvingSymlinksInPath().path
        let real = URL(filePath: file(shard)).resolvingSymlinksInPath().path
        // A hub cache keeps its files as links into a sibling `blobs` folder of the same repository.
        let repository = URL(filePath: root).deletingLastPathComponent().deletingLastPathComponent().path
        let isBlob = root.contains("/snapshots/") && real.hasPrefix(repository + "/blobs/")
        guard isPlain, real.hasPrefix(root + "/") || isBlob else {
            throw CheckpointError(
                .malformed, file: file(index), field: "/weight_map",
                detail: "\"\(printable(shard.utf8))\" escapes the model directory")
        }
    }

    /// chat_template.jinja, or `chat_template` of tokenizer_config.json: a string, or a list with one named `default`.
    func chatTemplate() throws(CheckpointError) -> String? {
        let name = "chat_template.jinja"
        if let bytes = try bytes(name) {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw CheckpointError(.malformed, file: file(name), field: "", detail: "is not valid UTF-8")
            }
            return text
        }
        let value = try json("tokenizer_config.json")?["chat_template"]
        if let list = value?.arrayValue {
            return list.first { $0["name"]?.stringValue == "default" }?["template"]?.stringValue
        }
        return value?.stringValue
    }
}
