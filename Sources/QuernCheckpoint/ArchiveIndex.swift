// The index of a packed model: where each tensor and section lies, as JSON.
//
// Invariant: after `init(parsing:)` every part lies between header and index, page-aligned where it must be, apart from
// every other, and its raw size is the one its shape demands.
import QuernJSON
import QuernModel
import QuernTensor

/// How the bytes of a part are stored.
enum ArchiveCodec: String, Sendable {
    case none
    case lz4
}

/// A stretch of the file: a tensor's data or a section.
struct ArchivePart: Sendable, Equatable {
    var name: String
    var offset: Int
    /// Bytes after decompression.
    var byteCount: Int
    /// Bytes in the file.
    var storedByteCount: Int
    var codec: ArchiveCodec
    /// Of the bytes after decompression.
    var checksum: UInt32
}

struct ArchiveTensor: Sendable, Equatable {
    enum Kind: String, Sendable {
        case int8
        case int6
        case int4
        case f32

        init(_ bits: WeightBits) { self = bits == .eight ? .int8 : bits == .six ? .int6 : .int4 }

        /// Nil for floats.
        var bits: WeightBits? {
            switch self {
            case .int8: .eight
            case .int6: .six
            case .int4: .four
            case .f32: nil
            }
        }
    }

    var part: ArchivePart
    var kind: Kind
    /// Columns per scale of integers.
    var group: Int
    /// [rows, columns], or [n] for f32.
    var shape: [Int]

    /// Bytes the shape demands.
    var expectedByteCount: Int {
        guard let tiles else { return shape.reduce(4, *) }
        return tiles.valueByteCount + tiles.scaleCount * 2
    }

    /// Nil for floats.
    var tiles: TileShape? {
        kind.bits.map { TileShape(rows: shape[0], columns: shape[1], group: group, bits: $0) }
    }
}

struct ArchiveIndex: Sendable {
    var name: String
    /// Columns per scale where a tensor does not say otherwise.
    var group: Int
    var config: ModelConfig
    var defaults: GenerationDefaults
    /// What the archive was made from, for people.
    var source: JSONValue
    var tensors: [ArchiveTensor] = []
    var sections: [ArchivePart] = []

    var serialized: JSONValue {
        [
            "name": .string(name), "group": .int(Int64(group)), "config": config.serialized(),
            "generation": defaults.serialized(), "source": source,
            "tensors": .array(tensors.map { tensor in
                var object = Self.object(tensor.part)
                object.append("kind", .string(tensor.kind.rawValue))
                if tensor.group != group { object.append("group", .int(Int64(tensor.group))) }
                object.append("shape", .array(tensor.shape.map { .int(Int64($0)) }))
                return .object(object)
            }),
            "sections": .array(sections.map { .object(Self.object($0)) }),
        ]
    }

    private static func object(_ part: ArchivePart) -> JSONObject {
        var object = JSONObject()
        object.append("name", .string(part.name))
        object.append("offset", .int(Int64(part.offset)))
        object.append("bytes", .int(Int64(part.byteCount)))
        object.append("stored", .int(Int64(part.storedByteCount)))
        object.append("codec", .string(part.codec.rawValue))
        object.append("crc32c", .int(Int64(part.checksum)))
        return object
    }
}

extension ArchiveIndex {
    /// - Parameter dataEnd: offset of the index; no part may reach beyond it.
    init(parsing json: JSONValue, path: String, dataEnd: Int) throws(CheckpointError) {
        let reader = IndexReader(path: path, dataEnd: dataEnd)
        name = try reader.string(json, "/name")
        group = try reader.group(json, "/group")
        do throws(ConfigError) {
            config = try ModelConfig(configJSON: json["config"] ?? .null)
            defaults = try GenerationDefaults(json["generation"] ?? .null)
        } catch {
            throw reader.fail(error.pointer, error.reason)
        }
        source = json["source"] ?? .null
        for (position, value) in try reader.list(json, "/tensors", 1 << 18).enumerated() {
            tensors.append(try reader.tensor(value, "/tensors/\(position)", group: group))
        }
        for (position, value) in try reader.list(json, "/sections", 64).enumerated() {
            sections.append(try reader.part(value, "/sections/\(position)"))
        }
        let parts = (tensors.map(\.part) + sections).sorted { $0.offset < $1.offset }
        for (a, b) in zip(parts, parts.dropFirst()) where a.offset + a.storedByteCount > b.offset {
            throw reader.fail("/tensors", "\"\(printable(b.name.utf8))\" overlaps \"\(printable(a.name.utf8))\"")
        }
        guard Set(tensors.map { Array($0.part.name.utf8) }).count == tensors.count else {
            throw reader.fail("/tensors", "two tensors have one name")
        }
    }
}

/// Typed access to index members; every number is bounded by the file.
private struct IndexReader {
    let path: String
    let dataEnd: Int

    func fail(_ field: String, _ detail: String) -> CheckpointError {
        CheckpointError(.malformed, file: path, field: "index \(field)", detail: detail)
    }

    private func member(_ json: JSONValue, _ pointer: String) -> JSONValue? {
        json[String(pointer.split(separator: "/").last ?? "")]
    }

    func string(_ json: JSONValue, _ pointer: String) throws(CheckpointError) -> String {
        guard let text = member(json, pointer)?.stringValue, text.utf8.count <= 4096 else { throw fail(pointer, "is not a short string") }
        return text
    }

    func integer(_ json: JSONValue, _ pointer: String, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
        guard let wide = member(json, pointer)?.intValue, let number = Int(exactly: wide), range.contains(number) else {
            throw fail(pointer, "is not an integer in \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    func group(_ json: JSONValue, _ pointer: String) throws(CheckpointError) -> Int {
        let group = try integer(json, pointer, 32...64)
        guard group == 32 || group == 64 else { throw fail(pointer, "is \(group), supported are 32 and 64") }
        return group
    }

    func list(_ json: JSONValue, _ pointer: String, _ limit: Int) throws(CheckpointError) -> [JSONValue] {
        guard let list = member(json, pointer)?.arrayValue, list.count <= limit else {
            throw fail(pointer, "is not a list of at most \(limit)")
        }
        return list
    }

    func part(_ json: JSONValue, _ pointer: String) throws(CheckpointError) -> ArchivePart {
        let offset = try integer(json, pointer + "/offset", ArchiveHeader.byteCount...max(ArchiveHeader.byteCount, dataEnd))
        let stored = try integer(json, pointer + "/stored", 0...max(0, dataEnd - offset))
        let codecName = try string(json, pointer + "/codec")
        guard let codec = ArchiveCodec(rawValue: codecName) else {
            throw fail(pointer + "/codec", "is \"\(printable(codecName.utf8))\", known are none and lz4")
        }
        // LZ4 cannot expand more than 255-fold.
        let most = codec == .none ? stored : stored.multipliedReportingOverflow(by: 255).partialValue
        let count = try integer(json, pointer + "/bytes", 0...max(0, most))
        guard codec == .lz4 || count == stored else { throw fail(pointer + "/stored", "differs from bytes without a codec") }
        let checksum = try integer(json, pointer + "/crc32c", 0...Int(UInt32.max))
        return ArchivePart(
            name: try string(json, pointer + "/name"), offset: offset, byteCount: count, storedByteCount: stored,
            codec: codec, checksum: UInt32(checksum))
    }

    func tensor(_ json: JSONValue, _ pointer: String, group: Int) throws(CheckpointError) -> ArchiveTensor {
        let part = try part(json, pointer)
        let kindName = try string(json, pointer + "/kind")
        guard let kind = ArchiveTensor.Kind(rawValue: kindName) else {
            throw fail(pointer + "/kind", "is \"\(printable(kindName.utf8))\", known are int8, int6, int4 and f32")
        }
        let limit = ModelConfig.Limits.experts * ModelConfig.Limits.hiddenSize      // experts are stacked
        let shape = try list(json, pointer + "/shape", 2).compactMap { $0.intValue.flatMap { Int(exactly: $0) } }
        guard shape.count == 2 || (kind == .f32 && shape.count == 1), shape.allSatisfy({ (1...limit).contains($0) }) else {
            throw fail(pointer + "/shape", "does not fit its kind, or exceeds \(limit)")
        }
        let own = json["group"] == nil ? group : try self.group(json, pointer + "/group")
        // Matrices that are multiplied side by side share their input, which comes in groups of one size.
        guard own == group || TileShape.isVocabulary(part.name) else {
            throw fail(pointer + "/group", "is \(own), which only embedding and head may have beside groups of \(group)")
        }
        let tensor = ArchiveTensor(part: part, kind: kind, group: own, shape: shape)
        guard part.byteCount == tensor.expectedByteCount else {
            throw fail(pointer + "/bytes", "is \(part.byteCount), the shape needs \(tensor.expectedByteCount)")
        }
        guard part.offset % ArchiveHeader.alignment == 0 else { throw fail(pointer + "/offset", "is not page-aligned") }
        return tensor
    }
}
