// Model directories: what is read, and rows S01–S12 of the fault catalogue.
import Foundation
import QuernCheckpoint
import QuernJSON
import QuernModel
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    private let folder: TemporaryFolder
    private let model = TinyModel(.qwen3)

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("config.json", Array(model.config.serialized().serialized().utf8))
    }

    private func header(_ text: String, data: [UInt8] = []) -> [UInt8] { le(UInt64(text.utf8.count)) + Array(text.utf8) + data }

    /// All tensors of the model in one file, F32.
    private func file(_ names: [String], extra: [String: JSONValue] = [:]) -> [UInt8] {
        var object = JSONObject()
        var data: [UInt8] = []
        for tensor in model.config.expectedTensors where names.contains(tensor.name) {
            let bytes = GGUFBuilder.floats(model.values(tensor.name))
            object.append(tensor.name, [
                "dtype": "F32", "shape": .array(tensor.shape.map { .int(Int64($0)) }),
                "data_offsets": [.int(Int64(data.count)), .int(Int64(data.count + bytes.count))],
            ])
            data += bytes
        }
        for (key, value) in extra { object.append(key, value) }
        return header(JSONValue.object(object).serialized(), data: data)
    }

    private var allNames: [String] { model.config.expectedTensors.map(\.name) }

    private func failure(_ bytes: [UInt8]) throws -> CheckpointError {
        try folder.write("model.safetensors", bytes)
        let error = try #require(openError(folder.url.path))
        #expect(!error.description.contains("\n"))
        return error
    }

    @Test func readsOneFile() throws {
        try folder.write("model.safetensors", file(allNames, extra: ["__metadata__": ["format": "pt"]]))
        let checkpoint = try openCheckpoint(path: folder.url.path)
        for name in allNames { #expect(try checkpoint.floats(name) == model.values(name)) }
        #expect(checkpoint.notes.isEmpty)
        // The file itself stands for its directory.
        #expect(openError(folder.path("model.safetensors")) == nil)
    }

    @Test func readsShards() throws {
        let half = allNames.count / 2
        let parts = ["a.safetensors": Array(allNames[..<half]), "b.safetensors": Array(allNames[half...])]
        var map = JSONObject()
        for (shard, names) in parts {
            try folder.write(shard, file(names))
            for name in names { map.append(name, .string(shard)) }
        }
        func index(_ map: JSONObject) throws {
            try folder.write("model.safetensors.index.json", Array(JSONValue.object(["weight_map": .object(map)].json).serialized().utf8))
        }
        try index(map)
        let checkpoint = try openCheckpoint(path: folder.url.path)
        for name in allNames { #expect(try checkpoint.floats(name) == model.values(name)) }

        for escape in ["../../etc/passwd", "/etc/passwd", "..", "", "sub/a.safetensors"] {
            var bad = map
            bad[allNames[0]] = .string(escape)
            try index(bad)
            #expect(try #require(openError(folder.url.path)).detail.contains("escapes the model directory"))
        }
        try FileManager.default.createSymbolicLink(atPath: folder.path("c.safetensors"), withDestinationPath: "/etc/hostname")
        var linked = map
        linked[allNames[0]] = "c.safetensors"
        try index(linked)
        #expect(try #require(openError(folder.url.path)).detail.contains("escapes the model directory"))
        var absent = map
        absent[allNames[0]] = map[allNames.last ?? ""]
        try index(absent)
        #expect(try #require(openError(folder.url.path)).code == .inconsistent)
    }

    @Test func headerLengths() throws {
        for bytes: [UInt8] in [[], [1, 2, 3], le(UInt64(0)), le(UInt64(1)), le(UInt64(100_000_001)), le(UInt64.max), le(UInt64(1) << 63)] {
            #expect(try failure(bytes).field.contains("header"))
        }
    }

    @Test func headerText() throws {
        for text in ["[]", "x", "{", "{}junk", "\u{FEFF}{}", "{\"a\":1}", "{\"a\":{}}", #"{"a":1,"a":2}"#] {
            #expect(try failure(header(text)).field.isEmpty == false)
        }
        #expect(try failure(le(UInt64(3)) + [0x7B, 0xFF, 0x7D]).code == .malformed)
        let twice = #"{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
        #expect(try failure(header(twice, data: [0, 0, 0, 0])).detail.contains("duplicate key"))
    }

    @Test(arguments: [
        "[4,0]", "[-4,0]", "[0.0,4]", "[0,4e0]", "[\"0\",4]", "[0,18446744073709551616]", "[0]", "[0,4,8]", "{}", "[0,8]", "[4,8]", "[0,3]",
    ])
    func offsets(_ offsets: String) throws {
        let text = #"{"t":{"dtype":"F32","shape":[1],"data_offsets":\#(offsets)}}"#
        #expect(try failure(header(text, data: [0, 0, 0, 0])).field.contains("t"))
    }

    @Test func shapesAndTypes() throws {
        func tensor(_ dtype: String, _ shape: String) throws -> CheckpointError {
            try failure(header(#"{"t":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":[0,4]}}"#, data: [0, 0, 0, 0]))
        }
        #expect(try tensor("F32", "[2]").field.contains("t"))
        #expect(try tensor("F32", "[4294967296,4294967296,4]").detail.contains("overflow"))
        #expect(try tensor("F32", "[-1]").field.contains("shape"))
        #expect(try tensor("F32", "[1,1,1,1,1,1,1,1,1]").field.contains("shape"))
        #expect(try tensor("Q7", "[1]").code == .unsupported)
        // Types that the format has and weights have not: fine beside them, an error in their place.
        #expect(try tensor("I32", "[1]").detail.contains("missing"))
        let text = #"{"model.norm.weight":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}"#
        #expect(try failure(header(text, data: [0, 0, 0, 0])).field == "tensor \"model.norm.weight\"/dtype")
        // Rank 0 is legal; what is wrong here is only that the model's tensors are missing.
        #expect(try tensor("F32", "[]").detail.contains("missing"))
    }

    @Test func dataIsCoveredExactly() throws {
        let whole = file(allNames)
        #expect(try failure(whole + [0]).detail.contains("\(whole.count + 1) bytes"))
        #expect(try failure(Array(whole.dropLast())).code == .malformed)
        let hole = #"{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#
        #expect(try failure(header(hole, data: [UInt8](repeating: 0, count: 8))).detail.contains("hole"))
        let overlap = #"{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"u":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#
        #expect(try failure(header(overlap, data: [UInt8](repeating: 0, count: 6))).detail.contains("overlap"))
    }

    @Test func configurationsNameTheirField() throws {
        try folder.write("model.safetensors", file(allNames))
        for (key, value) in [("num_hidden_layers", JSONValue.int(1_000_000_000)), ("hidden_size", -1), ("vocab_size", "12")] {
            var object = try #require(model.config.serialized().objectValue)
            object[key] = value
            try folder.write("config.json", Array(JSONValue.object(object).serialized().utf8))
            #expect(try #require(openError(folder.url.path)).field == "/\(key)")
        }
        try FileManager.default.removeItem(atPath: folder.path("config.json"))
        #expect(try #require(openError(folder.url.path)).code == .missing)
    }

    @Test func damageNeverTraps() throws {
        let bytes = file(allNames)
        let headerCount = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
        var noise = Noise(5)
        for _ in 0..<1000 {
            var damaged = bytes
            for _ in 0..<(1 + noise.below(3)) { damaged[noise.below(headerCount)] = UInt8(truncatingIfNeeded: noise.bits()) }
            try folder.write("model.safetensors", damaged)
            if let checkpoint = try? openCheckpoint(path: folder.url.path) {
                for tensor in checkpoint.tensors { _ = try? checkpoint.floats(tensor.name) }
            }
        }
    }
}

extension [String: JSONValue] {
    fileprivate var json: JSONObject { JSONObject(map { JSONObject.Member(key: $0.key, value: $0.value) }) }
}
