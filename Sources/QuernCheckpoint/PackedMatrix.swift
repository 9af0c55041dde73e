// Weights as packed integers with a scale and a zero point per group of inputs: GPTQ (4 and 8 bits) and AWQ.
//
// Sources of the layouts: AutoGPTQ and GPTQModel (qweight packs inputs), AutoAWQ's gemm version (qweight packs outputs, in the
// order 0 2 4 6 1 3 5 7). Invariants: shapes were compared when the file was opened; outputs are rows here and columns in the file,
// so reading many rows at once is cheaper.
import QuernTensor

struct PackedMatrix: Sendable {
    enum Method: Sendable, Equatable {
        /// `zeroOffset`: what must be added to stored zero points (1 unless the file is of GPTQ's second format).
        case gptq(bits: Int, zeroOffset: Int)
        case awq
    }

    let integers: FileTensor
    let rows: Int
    let columns: Int
    private let method: Method
    private let scales: [Float]         // [groups, rows]
    private let zeros: [Int32]          // packed, [groups, rows / perWord]
    /// Group of every column.
    private let groups: [Int32]
    /// Columns of one group, when they follow each other.
    private let groupSize: Int?

    var bits: Int { if case .gptq(let bits, _) = method { bits } else { 4 } }
    private var perWord: Int { 32 / bits }
    var storage: String { (method == .awq ? "AWQ" : "GPTQ") + " int\(bits)" }

    init(
        _ method: Method, integers: FileTensor, zeros: FileTensor, scales: FileTensor, groups: FileTensor?, groupSize: Int
    ) throws(CheckpointError) {
        self.method = method
        self.integers = integers
        let perWord: Int
        if case .gptq(let bits, _) = method { perWord = 32 / bits } else { perWord = 8 }
        guard integers.tensor.type == .i32, integers.shape.count == 2 else { throw integers.unsupported("I32, as a matrix") }
        let packsInputs = method != .awq
        (rows, _) = integers.shape[1].multipliedReportingOverflow(by: packsInputs ? 1 : perWord)
        (columns, _) = integers.shape[0].multipliedReportingOverflow(by: packsInputs ? perWord : 1)
        let size = groupSize > 0 ? groupSize : max(columns, 1)
        guard rows > 0, columns > 0, rows % perWord == 0, columns % size == 0 else {
            throw CheckpointError(
                .inconsistent, file: integers.file.path, field: integers.field, byteOffset: integers.tensor.offset,
                detail: "\(rows) rows and \(columns) columns do not divide into groups of \(size) and words of \(perWord)")
        }
        try scales.requireShape([columns / size, rows])
        try zeros.requireShape([columns / size, rows / perWord])
        self.scales = try scales.floats()
        self.zeros = try zeros.integers()
        let (count, width) = (columns / size, columns)
        let inOrder = (0..<width).map { Int32($0 / size) }
        var order = inOrder
        if let groups {
            try groups.requireShape([width])
            order = try groups.integers()
            guard order.allSatisfy({ $0 >= 0 && $0 < count }) else {
                throw CheckpointError(
                    .malformed, file: groups.file.path, field: groups.field, byteOffset: groups.tensor.offset,
                    detail: "names a group that is not there")
            }
        }
        self.groups = order
        self.groupSize = order == inOrder ? size : nil
    }

    /// AWQ's place of an output among the eight of a word.
    private static let awqPlaces: [Int] = [0, 4, 1, 5, 2, 6, 3, 7]

    private func zero(_ group: Int, _ row: Int) -> Int32 {
        let word = UInt32(bitPattern: zeros[group * (rows / perWord) + row / perWord])
        switch method {
        case .gptq(let bits, let offset):
            return Int32(word >> UInt32(bits * (row % perWord)) & (1 << UInt32(bits) - 1)) + Int32(offset)
        case .awq: return Int32(word >> UInt32(4 * Self.awqPlaces[row % 8]) & 15)
        }
    }

    /// The stored integers less their zero points, row-major.
    private func readIntegers(_ range: Range<Int>, _ body: (_ row: Int, _ column: Int, Int32) -> Void) throws(CheckpointError) {
        // Whole words of outputs in the file's rows.
        let packsInputs = method != .awq
        let first = packsInputs ? range.lowerBound : range.lowerBound / perWord
        let end = packsInputs ? range.upperBound : (range.upperBound + perWord - 1) / perWord
        let fileColumns = packsInputs ? rows : rows / perWord
        let fileRows = packsInputs ? columns / perWord : columns
        let mask: UInt32 = 1 << UInt32(bits) - 1
        let zeroPoints = range.map { row in (0..<(scales.count / rows)).map { zero($0, row) } }
        let words = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: max(end - first, 1))
        defer { words.deallocate() }
        for fileRow in 0..<fileRows {
            let bytes = UnsafeMutableRawBufferPointer(words)[..<((end - first) * 4)]
            try integers.read(fileRow * fileColumns + first, into: UnsafeMutableRawBufferPointer(rebasing: bytes))
            for (index, row) in range.enumerated() {
                if packsInputs {
                    for place in 0..<perWord {
                        let column = fileRow * perWord + place
                        let value = Int32(words[row - first] >> UInt32(bits * place) & mask)
                        body(index, column, value - zeroPoints[index][Int(groups[column])])
                    }
                } else {
                    let value = Int32(words[row / perWord - first] >> UInt32(4 * Self.awqPlaces[row % 8]) & mask)
                    body(index, fileRow, value - zeroPoints[index][Int(groups[fileRow])])
                }
            }
        }
    }

    /// The integers themselves, where groups and bits of `shape` can hold them.
    func integerRows(_ range: Range<Int>, shape: TileShape) throws(CheckpointError) -> IntegerRows? {
        guard let groupSize, groupSize % shape.group == 0, columns == shape.columns else { return nil }
        var found = IntegerRows(values: Array(repeating: 0, count: range.count * columns))
        for row in range {
            for group in 0..<shape.groups {
                let scale = scales[group * shape.group / groupSize * rows + row]
                guard Float(Float16(scale)) == scale else { return nil }
                found.scales.append(Float16(scale))
            }
        }
        let limits: ClosedRange<Int32> = shape.bits == .eight ? -128...127 : shape.bits == .six ? -32...31 : -8...7
        var fits = true
        try readIntegers(range) { row, column, value in
            guard limits.contains(value) else {
                fits = false
                return
            }
            if value == -128 { found.clamped += 1 }     // it would overflow a kernel's pair sum
            found.values[row * columns + column] = Int8(max(value, -127))
        }
        return fits ? found : nil
    }

    /// Columns per scale to which the integers can be copied.
    var integerGroup: Int? { groupSize.flatMap { $0 % 64 == 0 ? 64 : $0 % 32 == 0 ? 32 : nil } }

    func readRows(_ range: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) throws(CheckpointError) {
        try readIntegers(range) { row, column, value in
            out[row * columns + column] = Float(value) * scales[Int(groups[column]) * rows + range.lowerBound + row]
        }
    }
}
