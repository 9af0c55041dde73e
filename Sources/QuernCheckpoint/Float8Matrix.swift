// Weights in 8-bit floats (E4M3) with one factor per block of 128 x 128, as DeepSeek and Qwen publish them.
//
// Source: the OCP 8-bit floating point specification, E4M3 (no infinities, one NaN); `weight_scale_inv` multiplies.
import QuernTensor

struct Float8Matrix: Sendable {
    let values: FileTensor
    private let scales: [Float]
    private let blockRows: Int
    private let blockColumns: Int
    private let blocksPerRow: Int

    /// - Parameter block: rows and columns that share a factor.
    init(values: FileTensor, scales: FileTensor, block: (rows: Int, columns: Int)) throws(CheckpointError) {
        self.values = values
        guard values.tensor.shape.count == 2, block.rows > 0, block.columns > 0 else {
            throw CheckpointError(
                .unsupported, file: values.file.path, field: values.field, detail: "is not a matrix, and 8-bit floats come in blocks")
        }
        (blockRows, blockColumns) = block
        func blocks(_ count: Int, _ size: Int) -> Int { count / size + (count % size == 0 ? 0 : 1) }
        blocksPerRow = blocks(values.shape[1], block.columns)
        try scales.requireShape([blocks(values.shape[0], block.rows), blocksPerRow])
        self.scales = try scales.floats()
    }

    func readRows(_ rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) throws(CheckpointError) {
        let columns = values.shape[1]
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: rows.count * columns, alignment: 16)
        defer { bytes.deallocate() }
        try values.read(rows.lowerBound * columns, into: bytes)
        for (index, row) in rows.enumerated() {
            for column in 0..<columns {
                let scale = scales[row / blockRows * blocksPerRow + column / blockColumns]
                out[index * columns + column] = Self.decoded[Int(bytes[index * columns + column])] * scale
            }
        }
    }

    /// The 256 values of E4M3.
    static let decoded: [Float] = (0..<256).map { byte in
        let exponent = byte >> 3 & 15
        let mantissa = Float(byte & 7)
        let magnitude: Float
        switch (exponent, byte & 7) {
        case (15, 7): magnitude = .nan
        case (0, _): magnitude = mantissa / 512
        default: magnitude = (1 + mantissa / 8) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
        }
        return byte & 0x80 == 0 ? magnitude : -magnitude
    }
}
