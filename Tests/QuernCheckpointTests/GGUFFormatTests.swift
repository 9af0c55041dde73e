// Broken GGUF headers: every one is an error that names field and offset, none allocates what it claims.
import Foundation
import QuernCheckpoint
import QuernModel
import TestSupport
import Testing

@Suite struct GGUFFormatTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func error(_ bytes: [UInt8]) throws -> CheckpointError {
        let path = try folder.write("model.gguf", bytes)
        let start = ContinuousClock.now
        let error = try #require(openError(path))
        #expect(ContinuousClock.now - start < .seconds(1))
        #expect(error.file == path)
        #expect(!error.description.contains("\n"))
        return error
    }

    private func error(_ change: (inout GGUFBuilder) -> Void) throws -> CheckpointError {
        var builder = GGUFBuilder(TinyModel())
        change(&builder)
        return try error(builder.bytes)
    }

    @Test func shortFilesSayHowShort() throws {
        for count in [0, 1, 3, 4, 23] {
            let found = try error(Array(GGUFBuilder(TinyModel()).bytes.prefix(count)))
            #expect(found.detail.contains("\(count) bytes"))
            #expect(found.detail.contains("24"))
        }
    }

    @Test func everyTruncationIsAnError() throws {
        let whole = GGUFBuilder(TinyModel())
        let bytes = whole.bytes
        let path = try folder.write("model.gguf", bytes)
        #expect(openError(path) == nil)
        var noise = Noise(7)
        let header = Array(stride(from: whole.headerCount, through: 0, by: -1))
        let data = (0..<50).map { _ in whole.headerCount + noise.below(bytes.count - whole.headerCount) }.sorted(by: >)
        for count in data + header {
            truncate(path, off_t(count))
            #expect(openError(path) != nil, "cut at \(count)")
        }
    }

    @Test func versions() throws {
        for version: UInt32 in [0, 1, 4] { #expect(try error { $0.version = version }.field == "version") }
        #expect(try error { $0.version = UInt32(3).byteSwapped }.detail.contains("big-endian"))
        #expect(try error { $0.magic = Array("GGML".utf8) }.field == "magic")
        var second = GGUFBuilder(TinyModel())
        second.version = 2
        #expect(openError(try folder.write("two.gguf", second.bytes)) == nil)
    }

    @Test func countsBeyondTheFile() throws {
        for count: UInt64 in [.max, 1 << 63, 200_000] {
            #expect(try error { $0.tensorCount = count }.field == "tensor count")
            #expect(try error { $0.entryCount = count }.field == "metadata count")
        }
    }

    @Test func keys() throws {
        let last = GGUFBuilder(TinyModel()).entries.count
        func withKey(_ key: [UInt8]) throws -> CheckpointError { try error { $0.entries.append((key, .u32(1))) } }
        for key in [[], [UInt8](repeating: 97, count: 65_536), Array("caf\u{e9}".utf8), [27, 91]] {
            #expect(try withKey(key).field.hasPrefix("metadata[\(last)]"))
        }
        #expect(try withKey(Array("general.architecture".utf8)).detail.contains("duplicate key"))
        let wrapping = Array("GGUF".utf8) + le(UInt32(3)) + le(UInt64(0)) + le(UInt64(1)) + le(UInt64.max)
            + [UInt8](repeating: 0, count: 16)
        #expect(try error(wrapping).field == "metadata[0] key length")
    }

    @Test func lengthsThatWrapOrLie() throws {
        for length: UInt64 in [.max, .max - 100, 1 << 30, 1 << 62] {
            #expect(try error { $0.set("a", .raw(8, le(length))) }.field.hasSuffix("length"))
            #expect(try error { $0.set("a", .raw(9, le(UInt32(8)) + le(length))) }.field.hasSuffix("length"))
            #expect(try error { $0.set("a", .raw(9, le(UInt32(12)) + le(length))) }.field.hasSuffix("length"))
        }
        let bomb = Array("GGUF".utf8) + le(UInt32(3)) + le(UInt64(0)) + le(UInt64(1)) + le(UInt64(1)) + [97]
            + le(UInt32(9)) + le(UInt32(8)) + le(UInt64(1) << 63)
        #expect(try error(bomb).byteOffset == 41)
    }

    @Test func valueTypes() throws {
        #expect(try error { $0.set("a", .raw(13, [])) }.detail.contains("13"))
        #expect(try error { $0.set("a", .raw(9, le(UInt32(9)) + le(UInt64(0)))) }.detail.contains("nested"))
        #expect(try error { $0.set("a", .bool(7)) }.detail.contains("is 7"))
        #expect(try error { $0.set("a", .raw(9, le(UInt32(7)) + le(UInt64(2)) + [1, 2])) }.detail.contains("is 2"))
        #expect(try error { $0.set("general.architecture", .string([0xFF, 0xFE])) }.detail.contains("UTF-8"))
    }

    @Test func alignment() throws {
        for value: UInt32 in [0, 13, 1 << 30, 1 << 31] {
            #expect(try error { $0.set("general.alignment", .u32(value)) }.field == "general.alignment")
        }
        #expect(try error { $0.set("general.alignment", .i32(32)) }.detail.contains("signed"))
        for value in [1, 8, 4096] {
            var builder = GGUFBuilder(TinyModel())
            builder.alignment = value
            builder.set("general.alignment", .u32(UInt32(value)))
            #expect(openError(try folder.write("aligned.gguf", builder.bytes)) == nil)
        }
    }

    @Test func dimensions() throws {
        let product = try error { $0.tensors[0].dimensions = [(1 << 42) + 1, 1 << 22] }
        #expect(product.field.contains("dim[1]"))
        #expect(product.byteOffset != nil)
        #expect(try error { $0.tensors[0].dimensions = [.max] }.field.contains("dim[0]"))
        #expect(try error { $0.tensors[0].dimensions = [1 << 61, 2, 1] }.detail.contains("overflows"))
        #expect(try error { $0.tensors[0].dimensions = [] }.detail.contains("1...4"))
        #expect(try error { $0.tensors[0].dimensions = [1, 1, 1, 1, 64] }.detail.contains("1...4"))
        #expect(try error { $0.tensors[0].dimensions = [0, 272] }.detail.contains("shape"))
    }

    @Test func types() throws {
        #expect(try error { $0.tensors[0].type = 255 }.detail.contains("unknown type 255"))
        let removed = try error { $0.tensors[0].type = 31 }
        #expect(removed.code == .unsupported)
        #expect(removed.detail.contains("Q4_0_4_4 is not supported by quern"))
        #expect(try error { $0.tensors[0].type = 4 }.detail.contains("removed"))
        let partial = try error { builder in
            builder.tensors[0].type = StorageType.q4_0.rawValue
            builder.tensors[0].dimensions = [31, 272]
        }
        #expect(partial.detail.contains("block of 32"))
    }

    @Test func places() throws {
        let builder = GGUFBuilder(TinyModel())
        var cut = builder.bytes
        cut.removeLast()
        #expect(try error(cut).detail.contains("file ends at \(cut.count)"))
        #expect(try error { $0.tensors[1].offset = 33 }.detail.contains("multiple of 32"))
        #expect(try error { $0.tensors[1].offset = .max - 31 }.field.contains("offset"))
        #expect(try error { $0.tensors[1].offset = UInt64(Int64.max) - 31 }.field.contains("tensor[1]"))
        #expect(try error { $0.tensors[1].offset = 0 }.detail.contains("overlaps"))
    }

    @Test func names() throws {
        let duplicate = try error { $0.tensors[2].name = $0.tensors[1].name }
        #expect(duplicate.detail.contains("duplicate"))
        for name in [[], [UInt8](repeating: 97, count: 64), [97, 0, 98], Array("a/b".utf8), [27, 91, 51, 49, 109]] {
            let found = try error { $0.tensors[1].name = name }
            #expect(found.field.hasPrefix("tensor[1]"))
            #expect(!found.description.utf8.contains(27))
        }
    }

    @Test func tokenizerArrays() throws {
        func tokenizerError(_ key: String, _ value: GGUFBuilder.Value) throws -> String {
            var builder = GGUFBuilder(TinyModel())
            builder.set(key, value)
            let checkpoint = try openCheckpoint(path: try folder.write("t.gguf", builder.bytes))
            do {
                _ = try checkpoint.tokenizerDefinition()
                return ""
            } catch {
                return "\(error)"
            }
        }
        let count = TinyModel.tokenCount
        let scores = try tokenizerError("tokenizer.ggml.scores", .u8s([UInt8](repeating: 0, count: count)))
        #expect(scores.contains("UINT8"))
        #expect(scores.contains("FLOAT32"))
        #expect(try tokenizerError("tokenizer.ggml.scores", .f32s([1])).contains("259 tokens"))
        #expect(try tokenizerError("tokenizer.ggml.scores", .f32s([Float](repeating: 0, count: count))).isEmpty)
        #expect(try tokenizerError("tokenizer.ggml.merges", .i32s([1])).contains("STRING"))
        #expect(try error { $0.set("tokenizer.ggml.tokens", .i32s([1])) }.detail.contains("STRING"))
        #expect(try tokenizerError("tokenizer.ggml.token_type", .i32s([1])).contains("1 entries"))
        #expect(try error { $0.set("tokenizer.ggml.eos_token_id", .u32(100_000)) }.field == "tokenizer.ggml.eos_token_id")
    }

    /// The reader survives any damage to the header: it opens or it throws.
    @Test func randomDamageNeverTraps() throws {
        let whole = GGUFBuilder(TinyModel())
        let bytes = whole.bytes
        var noise = Noise(99)
        for _ in 0..<1500 {
            var damaged = bytes
            for _ in 0..<(1 + noise.below(4)) {
                let position = noise.below(whole.headerCount)
                damaged[position] = noise.below(3) == 0 ? 0xFF : UInt8(truncatingIfNeeded: noise.bits())
            }
            let path = try folder.write("damaged.gguf", damaged)
            if let checkpoint = try? openCheckpoint(path: path) {
                for tensor in checkpoint.tensors { _ = try? checkpoint.floats(tensor.name) }
                _ = try? checkpoint.tokenizerDefinition()
            }
        }
    }
}
