// Every storage type against the reference dequantisation, bit for bit (scripts/golden/block_formats.py).
import Foundation
import QuernCheckpoint
import QuernJSON
import TestSupport
import Testing

@Suite struct BlockFormatTests {
    private static func bytes(hex: String) -> [UInt8] {
        let digits = Array(hex.utf8).map { $0 <= 57 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    @Test(arguments: StorageType.allCases)
    func equalsTheReference(_ type: StorageType) throws {
        let path = SharedData.repository.appending(path: "Tests/Fixtures/block_formats.json")
        let cases = try JSONValue(parsing: [UInt8](Data(contentsOf: path))).arrayValue ?? []
        let fixture = try #require(cases.first { $0["type"]?.stringValue == type.name })
        let blocks = Self.bytes(hex: fixture["blocks"]?.stringValue ?? "")
        let expected = Self.bytes(hex: fixture["values"]?.stringValue ?? "")
        let count = blocks.count / type.bytesPerBlock * type.elementsPerBlock
        #expect(expected.count == count * 4)

        // The embedding of a tiny model, as wide as the fixture has values and a whole number of blocks.
        let width = count / (count % 256 == 0 ? 3 : 1)
        var builder = GGUFBuilder(TinyModel(hiddenSize: width), skipping: "token_embd.weight")
        let rows = count / width
        builder.tensors.append(
            .init(
                name: Array("token_embd.weight".utf8), dimensions: [UInt64(width), UInt64(TinyModel.vocabularySize)],
                type: type.rawValue,
                bytes: (0..<(TinyModel.vocabularySize / rows + 1)).flatMap { _ in blocks }.prefix(
                    TinyModel.vocabularySize * width / type.elementsPerBlock * type.bytesPerBlock).map { $0 }))
        let folder = try TemporaryFolder()
        let checkpoint = try openCheckpoint(path: try folder.write("t.gguf", builder.bytes))
        var values = [Float](repeating: .nan, count: count)
        try values.withUnsafeMutableBufferPointer {
            try checkpoint.readRows(of: "model.embed_tokens.weight", rows: 0..<rows, into: $0)
        }
        #expect(values.flatMap { le($0.bitPattern) } == expected)
    }
}
