// The header of one safetensors file.
//
// Format: github.com/huggingface/safetensors. Invariant: after `init` the tensors cover the data without holes, overlaps
// or a byte left over, and every size agrees with shape and type.
import QuernJSON
import QuernTensor

struct SafetensorsTensor: Sendable {
    let name: String
    let shape: [Int]
    let type: SafetensorsType
    let offset: Int
    let byteCount: Int
}

struct SafetensorsHeader: Sendable {
    static let maxHeaderBytes = 100_000_000

    let tensors: [SafetensorsTensor]

    init(_ file: RandomAccessFile) throws(CheckpointError) {
        var reader = ByteReader(file)
        let length = try reader.count(limit: Self.maxHeaderBytes, minimumBytes: 1, "header length")
        let bytes = [UInt8](try reader.bytes(length, "header"))
        guard bytes.first == UInt8(ascii: "{") else { throw reader.fail("header", at: 8, "does not start with '{'") }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: bytes, limits: JSONLimits(maxDepth: 8))
        } catch {
            throw reader.fail("header", at: 8 + error.byteOffset, error.reason)
        }
        guard let object = json.objectValue else { throw reader.fail("header", at: 8, "is \(json.typeName), expected an object") }
        let start = 8 + length
        var tensors: [SafetensorsTensor] = []
        for member in object.members where member.key != "__metadata__" {
            tensors.append(try Self.tensor(member, dataStart: start, file: file, reader))
        }
        try Self.requireCover(tensors, from: start, file: file, reader)
        self.tensors = tensors
    }

    private static func tensor(
        _ member: JSONObject.Member, dataStart: Int, file: RandomAccessFile, _ reader: ByteReader
    ) throws(CheckpointError) -> SafetensorsTensor {
        let field = "tensor \"\(printable(member.key.utf8))\""
        func integers(_ key: String, _ limit: Int) throws(CheckpointError) -> [Int] {
            guard let list = member.value[key]?.arrayValue, list.count <= limit else {
                throw reader.fail("\(field)/\(key)", at: 8, "is not a list of at most \(limit) integers")
            }
            var numbers: [Int] = []
            for (index, value) in list.enumerated() {
                guard let wide = value.intValue, wide >= 0, let number = Int(exactly: wide) else {
                    throw reader.fail("\(field)/\(key)/\(index)", at: 8, "is \(value.serialized()), expected a non-negative integer")
                }
                numbers.append(number)
            }
            return numbers
        }
        guard let dtype = member.value["dtype"]?.stringValue else { throw reader.fail("\(field)/dtype", at: 8, "is missing") }
        guard let type = SafetensorsType(rawValue: dtype) else {
            throw CheckpointError(
                .unsupported, file: file.path, field: "\(field)/dtype", byteOffset: 8,
                detail: "is \"\(printable(dtype.utf8))\", which is no type of this format")
        }
        let shape = try integers("shape", 8)
        let range = try integers("data_offsets", 2)
        var bytes = type.byteCount
        for size in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
            guard !overflow else { throw reader.fail("\(field)/shape", at: 8, "\(shape) overflows 64 bits") }
            bytes = product
        }
        guard range.count == 2, range[0] <= range[1], range[1] <= file.byteCount - dataStart else {
            throw reader.fail(
                "\(field)/data_offsets", at: 8, "\(range) is not a range inside the \(file.byteCount - dataStart) bytes of data")
        }
        guard range[1] - range[0] == bytes else {
            throw reader.fail(
                "\(field)/data_offsets", at: 8, "spans \(range[1] - range[0]) bytes, shape \(shape) of \(dtype) needs \(bytes)")
        }
        return SafetensorsTensor(
            name: member.key, shape: shape, type: type, offset: dataStart + range[0], byteCount: bytes)
    }

    private static func requireCover(
        _ tensors: [SafetensorsTensor], from start: Int, file: RandomAccessFile, _ reader: ByteReader
    ) throws(CheckpointError) {
        var end = start
        for tensor in tensors.sorted(by: { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }) {
            guard tensor.offset == end else {
                let what = tensor.offset < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw reader.fail("tensor \"\(printable(tensor.name.utf8))\"", at: tensor.offset, what)
            }
            end += tensor.byteCount
        }
        guard end == file.byteCount else {
            throw reader.fail("data", at: end, "ends before the file, which has \(file.byteCount) bytes")
        }
    }
}
