// What is inside a checkpoint, as a report for people and programs.
import QuernJSON
import QuernModel
import QuernTokenizer

public struct Inspection: Sendable {
    private let checkpoint: any Checkpoint
    private let tokenizer: TokenizerDefinition?
    private let receipt: JSONValue?

    public init(_ checkpoint: any Checkpoint) throws {
        self.checkpoint = checkpoint
        tokenizer = try checkpoint.tokenizerDefinition()
        receipt = try (checkpoint as? Archive)?.receipt()
    }

    /// - Parameter listsTensors: include every tensor, not only totals by storage type.
    public func report(listsTensors: Bool) -> JSONObject {
        var report = JSONObject()
        let config = checkpoint.config
        report.append("path", .string(checkpoint.path))
        report.append("format", .string(checkpoint.format))
        report.append("name", .string(checkpoint.displayName))
        report.append("parameters", .int(Int64(config.parameterCount)))
        if let archive = checkpoint as? Archive {
            report.append("group", .int(Int64(archive.groupSize)))
            report.append("source", archive.source)
        }
        report.append("config", config.serialized())
        report.append("generation", checkpoint.generationDefaults.serialized())
        report.append("tokenizer", tokenizer.map(Self.describe) ?? .null)
        report.append("chat_template", checkpoint.chatTemplate.map { .string("\($0.utf8.count) bytes") } ?? .null)
        var totals: [(name: String, tensors: Int64, bytes: Int64)] = []
        for tensor in checkpoint.tensors {
            let index = totals.firstIndex { $0.name == tensor.storage } ?? totals.count
            if index == totals.count { totals.append((tensor.storage, 0, 0)) }
            totals[index].tensors += 1
            totals[index].bytes += Int64(tensor.byteCount)
        }
        report.append(
            "storage", .array(totals.map { ["type": .string($0.name), "tensors": .int($0.tensors), "bytes": .int($0.bytes)] }))
        if let receipt { report.append("receipt", listsTensors ? receipt : receipt.summary) }
        if let gguf = checkpoint as? GGUFCheckpoint {
            report.append("metadata_keys", .array(gguf.metadataKeys.map { .string($0) }))
        }
        if !checkpoint.notes.isEmpty { report.append("notes", .array(checkpoint.notes.map { .string($0) })) }
        if listsTensors {
            report.append(
                "tensors",
                .array(checkpoint.tensors.map { tensor in
                    [
                        "name": .string(tensor.name), "shape": .array(tensor.shape.map { .int(Int64($0)) }),
                        "type": .string(tensor.storage), "bytes": .int(Int64(tensor.byteCount)),
                        "offset": .int(Int64(tensor.fileOffset)),
                    ]
                }))
        }
        return report
    }

    private static func describe(_ tokenizer: TokenizerDefinition) -> JSONValue {
        [
            "tokens": .int(Int64(tokenizer.tokens.count)), "merges": .int(Int64(tokenizer.merges.count)),
            "pre_tokenizer": .string("\(tokenizer.preTokenizer)"), "normalizer": .string("\(tokenizer.normalizer)"),
            "special_tokens": .int(Int64(tokenizer.kinds.count { $0 == .special })),
        ]
    }

    /// Reads every tensor: an archive's checksums, or whether all values are finite.
    /// - Returns: one line saying what was checked.
    public func verify() throws(CheckpointError) -> String {
        if let archive = checkpoint as? Archive {
            try archive.verify()
            return "all checksums match"
        }
        for tensor in checkpoint.tensors { try requireFinite(tensor) }
        return "all values are finite"
    }

    private func requireFinite(_ tensor: TensorInfo) throws(CheckpointError) {
        let step = max(1, (1 << 20) / max(1, tensor.columns))
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(step, tensor.rows) * tensor.columns)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: tensor.rows, by: step) {
            let rows = start..<min(tensor.rows, start + step)
            let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(rows.count * tensor.columns)])
            try checkpoint.readRows(of: tensor.name, rows: rows, into: part)
            guard let bad = part.firstIndex(where: { !$0.isFinite }) else { continue }
            throw CheckpointError(
                .malformed, file: checkpoint.path, field: "tensor \"\(printable(tensor.name.utf8))\"",
                byteOffset: tensor.fileOffset, detail: "element [\(start + bad / tensor.columns), \(bad % tensor.columns)] is not finite")
        }
    }

    /// The report as indented text.
    public static func describe(_ report: JSONObject) -> String {
        var lines: [String] = []
        func add(_ key: String, _ value: JSONValue, _ indent: String) {
            switch value {
            case .object(let object):
                lines.append("\(indent)\(key):")
                for member in object.members { add(member.key, member.value, indent + "  ") }
            case .array(let items) where items.contains(where: { $0.objectValue != nil }):
                lines.append("\(indent)\(key):")
                for item in items {
                    let parts = item.objectValue?.members.map { "\($0.value.stringValue ?? $0.value.serialized()) \($0.key)" } ?? []
                    lines.append("\(indent)  " + parts.joined(separator: ", "))
                }
            case .string(let text): lines.append("\(indent)\(key): \(text)")
            default: lines.append("\(indent)\(key): \(value.serialized())")
            }
        }
        for member in report.members { add(member.key, member.value, "") }
        return lines.joined(separator: "\n")
    }
}

extension JSONValue {
    /// A receipt without its list of tensors.
    fileprivate var summary: JSONValue { .object(JSONObject((objectValue?.members ?? []).filter { $0.key != "tensors" })) }
}
