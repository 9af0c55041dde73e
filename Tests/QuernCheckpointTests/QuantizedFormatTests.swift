// Published quantised checkpoints: block-FP8, GPTQ and AWQ, read as their definitions say and packed without loss.
import Foundation
import QuernCheckpoint
import QuernJSON
import QuernModel
import QuernTensor
import TestSupport
import Testing

@Suite struct QuantizedFormatTests {
    private let folder: TemporaryFolder
    private let model = TinyModel(.qwen2, layers: 1, hiddenSize: 128)

    init() throws { folder = try TemporaryFolder() }

    private struct Tensor {
        var dtype: String
        var shape: [Int]
        var bytes: [UInt8]

        static func floats(_ shape: [Int], _ values: [Float]) -> Tensor {
            Tensor(dtype: "F32", shape: shape, bytes: GGUFBuilder.floats(values))
        }
        static func halves(_ shape: [Int], _ values: [Float16]) -> Tensor {
            Tensor(dtype: "F16", shape: shape, bytes: values.flatMap { le($0.bitPattern) })
        }
        static func words(_ shape: [Int], _ values: [UInt32]) -> Tensor {
            Tensor(dtype: "I32", shape: shape, bytes: values.flatMap { le($0) })
        }
    }

    /// A directory in which `replace` stores each projection of a layer in its own way.
    private func directory(
        _ quantization: JSONValue, _ replace: (_ base: String, _ shape: [Int]) -> [String: Tensor]
    ) throws -> String {
        var object = try #require(model.config.serialized().objectValue)
        object.append("quantization_config", quantization)
        try folder.write("config.json", Array(JSONValue.object(object).serialized().utf8))
        var tensors: [String: Tensor] = [:]
        for tensor in model.config.expectedTensors {
            if tensor.name.hasSuffix("_proj.weight") {
                let base = String(tensor.name.dropLast("weight".count))
                tensors.merge(replace(base, tensor.shape), uniquingKeysWith: { $1 })
            } else {
                tensors[tensor.name] = .floats(tensor.shape, model.values(tensor.name))
            }
        }
        var header = JSONObject()
        var data: [UInt8] = []
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            header.append(name, [
                "dtype": .string(tensor.dtype), "shape": .array(tensor.shape.map { .int(Int64($0)) }),
                "data_offsets": [.int(Int64(data.count)), .int(Int64(data.count + tensor.bytes.count))],
            ])
            data += tensor.bytes
        }
        let text = Array(JSONValue.object(header).serialized().utf8)
        try folder.write("model.safetensors", le(UInt64(text.count)) + text + data)
        return folder.url.path
    }

    /// Random integers, zero points and scales of a matrix: what GPTQ and AWQ store.
    private struct Packed {
        let rows: Int, columns: Int, bits: Int, groupSize: Int
        var integers: [UInt32] = []     // [rows, columns]
        var zeros: [UInt32] = []        // [groups, rows]
        var scales: [Float16] = []      // [groups, rows]

        init(_ shape: [Int], bits: Int, groupSize: Int, zero: UInt32?, seed: UInt64) {
            (rows, columns, self.bits, self.groupSize) = (shape[0], shape[1], bits, groupSize)
            var noise = Noise(seed)
            let levels = 1 << bits
            integers = (0..<(rows * columns)).map { _ in UInt32(noise.below(levels)) }
            zeros = (0..<(columns / groupSize * rows)).map { _ in zero ?? UInt32(1 + noise.below(levels - 1)) }
            scales = zeros.map { _ in Float16(0.001 + 0.02 * abs(noise.float())) }
        }

        func weights(group: (Int) -> Int) -> [Float] {
            (0..<(rows * columns)).map { index in
                let place = group(index % columns) * rows + index / columns
                return Float(Int(integers[index]) - Int(zeros[place])) * Float(scales[place])
            }
        }

        private func pack(_ count: Int, _ value: (Int) -> UInt32) -> UInt32 {
            (0..<count).reduce(0) { $0 | value($1) << UInt32(bits * $1) }
        }

        /// - Parameter offset: what is taken from zero points when they are stored.
        func gptq(_ base: String, offset: UInt32 = 1, order: [Int32]? = nil) -> [String: Tensor] {
            let per = 32 / bits
            let words = (0..<(columns / per)).flatMap { word in
                (0..<rows).map { row in pack(per) { integers[row * columns + word * per + $0] } }
            }
            let groups = columns / groupSize
            let packedZeros = (0..<groups).flatMap { group in
                (0..<(rows / per)).map { word in pack(per) { zeros[group * rows + word * per + $0] - offset } }
            }
            let order = order ?? (0..<columns).map { Int32($0 / groupSize) }
            return [
                base + "qweight": .words([columns / per, rows], words), base + "qzeros": .words([groups, rows / per], packedZeros),
                base + "scales": .halves([groups, rows], scales),
                base + "g_idx": .words([columns], order.map { UInt32(bitPattern: $0) }),
            ]
        }

        func awq(_ base: String) -> [String: Tensor] {
            let order = [0, 2, 4, 6, 1, 3, 5, 7]
            let words = (0..<columns).flatMap { column in
                (0..<(rows / 8)).map { word in pack(8) { integers[(word * 8 + order[$0]) * columns + column] } }
            }
            let groups = columns / groupSize
            let packedZeros = (0..<groups).flatMap { group in
                (0..<(rows / 8)).map { word in pack(8) { zeros[group * rows + word * 8 + order[$0]] } }
            }
            return [
                base + "qweight": .words([columns, rows / 8], words), base + "qzeros": .words([groups, rows / 8], packedZeros),
                base + "scales": .halves([groups, rows], scales),
            ]
        }
    }

    private func seed(_ base: String) -> UInt64 { base.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) } }

    private let name = "model.layers.0.mlp.down_proj.weight"     // [128, 96]
    private let otherName = "model.layers.0.self_attn.q_proj.weight"

    @Test(arguments: [(4, 32, false), (4, 32, true), (8, 32, false), (4, -1, false)])
    func gptq(_ bits: Int, _ groupSize: Int, _ isSecondFormat: Bool) throws {
        let config: JSONValue = [
            "quant_method": "gptq", "bits": .int(Int64(bits)), "group_size": .int(Int64(groupSize)),
            "checkpoint_format": isSecondFormat ? "gptq_v2" : "gptq",
        ]
        func packed(_ base: String, _ shape: [Int]) -> Packed {
            Packed(shape, bits: bits, groupSize: groupSize < 0 ? shape[1] : groupSize, zero: UInt32(1) << UInt32(bits - 1), seed: seed(base))
        }
        let path = try directory(config) { base, shape in packed(base, shape).gptq(base, offset: isSecondFormat ? 0 : 1) }
        let checkpoint = try openCheckpoint(path: path)
        for tensor in model.config.expectedTensors where tensor.name.hasSuffix("_proj.weight") {
            let source = packed(String(tensor.name.dropLast("weight".count)), tensor.shape)
            let exact = source.weights { $0 / source.groupSize }
            #expect(try checkpoint.floats(tensor.name) == exact, "\(tensor.name)")
        }
        #expect(checkpoint.notes.isEmpty)
        // Packing takes the integers as they are.
        _ = try Packer.pack(checkpoint, to: folder.path("x.quern"))
        let archive = try openCheckpoint(path: folder.path("x.quern"))
        let (found, expected) = (try archive.floats(name), try checkpoint.floats(name))
        let wrong = zip(found, expected).count { $0 != $1 }
        #expect(bits == 4 ? wrong == 0 : wrong <= found.count / 100, "only -128 becomes -127")
        if bits == 4 {
            var options = PackOptions()
            options.bits = .four
            _ = try Packer.pack(checkpoint, to: folder.path("four.quern"), options: options)
            #expect(try openCheckpoint(path: folder.path("four.quern")).floats(name) == expected)
        }
    }

    /// Columns ordered by activation: every column names its group.
    @Test func gptqWithActivationOrder() throws {
        let config: JSONValue = ["quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": true]
        func order(_ columns: Int) -> [Int32] { (0..<columns).map { Int32(($0 * 7 + 3) % columns / 32) } }
        func packed(_ base: String, _ shape: [Int]) -> Packed { Packed(shape, bits: 4, groupSize: 32, zero: 8, seed: seed(base)) }
        let path = try directory(config) { base, shape in packed(base, shape).gptq(base, order: order(shape[1])) }
        let checkpoint = try openCheckpoint(path: path)
        let expected = packed(String(name.dropLast(6)), [128, 96]).weights { Int(order(96)[$0]) }
        #expect(try checkpoint.floats(name) == expected)
        let path2 = try directory(config) { base, shape in
            packed(base, shape).gptq(base, order: Array(repeating: Int32(shape[1] / 32), count: shape[1]))
        }
        #expect(try #require(openError(path2)).detail.contains("group"))
    }

    @Test func awq() throws {
        let config: JSONValue = ["quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": true]
        func packed(_ base: String, _ shape: [Int]) -> Packed { Packed(shape, bits: 4, groupSize: 32, zero: nil, seed: seed(base)) }
        let path = try directory(config) { base, shape in packed(base, shape).awq(base) }
        let checkpoint = try openCheckpoint(path: path)
        for tensor in model.config.expectedTensors where tensor.name.hasSuffix("_proj.weight") {
            let expected = packed(String(tensor.name.dropLast(6)), tensor.shape).weights { $0 / 32 }
            #expect(try checkpoint.floats(tensor.name) == expected, "\(tensor.name)")
        }
        var part = [Float](repeating: 0, count: 3 * 96)
        try part.withUnsafeMutableBufferPointer { try checkpoint.readRows(of: name, rows: 5..<8, into: $0) }
        #expect(part == Array(try checkpoint.floats(name)[(5 * 96)..<(8 * 96)]))
        _ = try Packer.pack(checkpoint, to: folder.path("x.quern"))
        #expect(try openCheckpoint(path: folder.path("x.quern")).floats(name) == checkpoint.floats(name))
    }

    @Test func blockFloat8() throws {
        let config: JSONValue = ["quant_method": "fp8", "weight_block_size": [64, 32]]
        var values: [String: (bytes: [UInt8], scales: [Float])] = [:]
        func blocks(_ shape: [Int]) -> [Int] { [(shape[0] + 63) / 64, (shape[1] + 31) / 32] }
        let path = try directory(config) { base, shape in
            var noise = Noise(seed(base))
            // Every byte but the two that are no number.
            let bytes = (0..<(shape[0] * shape[1])).map { _ in UInt8(noise.below(256)) }.map { $0 & 0x7F == 0x7F ? 0 : $0 }
            let scales = (0..<(blocks(shape)[0] * blocks(shape)[1])).map { _ in 0.01 * abs(noise.float()) }
            values[base + "weight"] = (bytes, scales)
            return [
                base + "weight": Tensor(dtype: "F8_E4M3", shape: shape, bytes: bytes),
                base + "weight_scale_inv": .floats(blocks(shape), scales),
            ]
        }
        let checkpoint = try openCheckpoint(path: path)
        #expect(checkpoint.notes.isEmpty)
        let (bytes, scales) = try #require(values[otherName])
        let found = try checkpoint.floats(otherName)
        let columns = 128
        for (index, byte) in bytes.enumerated() {
            let (e, m) = (Int(byte >> 3 & 15), Float(byte & 7))
            let magnitude = e == 0 ? m * pow(2, -9) : (1 + m / 8) * pow(2, Float(e - 7))
            let scale = scales[index / columns / 64 * 4 + index % columns / 32]
            #expect(found[index] == (byte < 128 ? magnitude : -magnitude) * scale)
        }
    }

    @Test(arguments: [
        (["quant_method": "bitsandbytes"], "quant_method"), (["quant_method": 4], "quant_method"), ([:], "quant_method"),
        (["quant_method": "gptq", "bits": 3], "bits"), (["quant_method": "awq", "bits": 4, "version": "gemv"], "version"),
        (["quant_method": "fp8"], "weight_block_size"), (["quant_method": "fp8", "weight_block_size": [0, 128]], "weight_block_size"),
        (["quant_method": "gptq", "bits": 4, "group_size": .int(.max)], "group_size"),
    ] as [(JSONValue, String)])
    func unknownMethodsAreNamed(_ config: JSONValue, _ field: String) throws {
        let path = try directory(config) { base, shape in [base + "weight": .floats(shape, model.values(base + "weight"))] }
        let error = try #require(openError(path))
        #expect(error.code == .unsupported)
        #expect(error.field == "/quantization_config/\(field)")
    }

    @Test func partsThatDoNotFit() throws {
        let config: JSONValue = ["quant_method": "gptq", "bits": 4, "group_size": 32]
        for part in ["qzeros", "scales", "qweight", "g_idx"] {
            let path = try directory(config) { base, shape in
                var tensors = Packed(shape, bits: 4, groupSize: 32, zero: 8, seed: 1).gptq(base)
                guard var tensor = tensors[base + part] else { return tensors }
                tensor.shape[0] -= 1
                tensor.bytes.removeLast(tensor.shape.dropFirst().reduce(part == "scales" ? 2 : 4, *))
                tensors[base + part] = tensor
                return tensors
            }
            let error = try #require(openError(path))
            #expect([.inconsistent, .malformed].contains(error.code), "\(part): \(error)")
        }
        let path = try directory(config) { base, shape in
            Packed(shape, bits: 4, groupSize: 32, zero: 8, seed: 1).gptq(base).filter { !$0.key.hasSuffix("scales") }
        }
        #expect(try #require(openError(path)).detail.contains("without its qzeros and scales"))
    }
}
