// Packed models: what packing keeps, what damage does, and that a file appears whole or not at all.
import Foundation
import QuernCheckpoint
import QuernModel
import QuernTensor
import TestSupport
import Testing

@Suite struct ArchiveTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func source(_ model: TinyModel = TinyModel(), q8: Bool = false) throws -> any Checkpoint {
        let builder = q8 ? GGUFBuilder(model, type: .q8_0, encode: GGUFBuilder.q8) : GGUFBuilder(model)
        return try openCheckpoint(path: try folder.write("tiny.gguf", builder.bytes))
    }

    private func pack(_ source: any Checkpoint, _ options: PackOptions = PackOptions()) throws -> any Checkpoint {
        _ = try Packer.pack(source, to: folder.path("tiny.quern"), options: options)
        return try openCheckpoint(path: folder.path("tiny.quern"))
    }

    @Test(arguments: [GroupSize.columns32, .columns64])
    func packingKeepsTheModel(_ group: GroupSize) throws {
        let source = try source(TinyModel(.qwen2, layers: 2))
        var options = PackOptions()
        options.group = group
        options.name = "renamed"
        let packed = try pack(source, options)
        #expect(packed.displayName == "renamed")
        #expect(packed.config == source.config)
        #expect(packed.chatTemplate == source.chatTemplate)
        #expect(try packed.tokenizerDefinition() == source.tokenizerDefinition())
        #expect(packed.tensors.map(\.name) == source.tensors.map(\.name))
        for tensor in source.tensors {
            let (before, after) = (try source.floats(tensor.name), try packed.floats(tensor.name))
            if tensor.shape.count == 1 {
                #expect(before == after)
            } else {
                // Uniform rounding of weights in -1...1 to steps of 1/127 has this root mean square.
                let squares = zip(before, after).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
                #expect((squares / Double(before.count)).squareRoot() <= 1.0 / 127 / 12.0.squareRoot())
            }
        }
        #expect(try Inspection(packed).verify() == "all checksums match")
    }

    @Test(arguments: [(WeightBits.six, "int6", 32.0), (.four, "int4", 8)])
    func fewerBits(_ bits: WeightBits, storage: String, levels: Double) throws {
        let source = try source(TinyModel(.qwen2, layers: 2))
        var options = PackOptions()
        options.bits = bits
        let packed = try pack(source, options)
        for tensor in source.tensors where tensor.shape.count == 2 {
            let stored = try #require(packed.tensor(named: tensor.name))
            let isHead = tensor.name == "model.embed_tokens.weight" || tensor.name == "lm_head.weight"
            #expect(stored.storage == (isHead ? "int6" : storage))
            let (before, after) = (try source.floats(tensor.name), try packed.floats(tensor.name))
            let squares = zip(before, after).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            #expect((squares / Double(before.count)).squareRoot() <= 1 / (isHead ? 32 : levels) / 12.0.squareRoot())
        }
        #expect(try Inspection(packed).verify() == "all checksums match")
    }

    @Test func embeddingAndHeadKeepGroupsOf32() throws {
        var options = PackOptions()
        options.group = .columns64
        let packed = try #require(try pack(try source(), options) as? Archive)
        for tensor in packed.tensors where tensor.shape.count == 2 {
            let isVocabulary = ["model.embed_tokens.weight", "lm_head.weight"].contains(tensor.name)
            #expect(packed.tiles(of: tensor.name)?.group == (isVocabulary ? 32 : 64), "\(tensor.name)")
        }
    }

    @Test func q8IsCopiedExactly() throws {
        let source = try source(q8: true)
        let packed = try pack(source)
        for tensor in source.tensors { #expect(try source.floats(tensor.name) == packed.floats(tensor.name)) }
    }

    /// The searched scale is never worse than the plain one.
    @Test func scalesAreSearched() throws {
        let source = try source()
        var options = PackOptions()
        options.group = .columns64
        let packed = try pack(source, options)
        var (searched, plain) = (0.0, 0.0)
        for tensor in source.tensors where tensor.shape.count == 2 && tensor.columns % 64 == 0 {
            let (before, after) = (try source.floats(tensor.name), try packed.floats(tensor.name))
            for start in stride(from: 0, to: before.count, by: 64) {
                let group = before[start..<(start + 64)]
                let scale = Float(Float16((group.map(abs).max() ?? 0) / 127))
                for index in start..<(start + 64) {
                    searched += Double(pow(before[index] - after[index], 2))
                    plain += Double(pow(before[index] - (before[index] / scale).rounded() * scale, 2))
                }
            }
        }
        #expect(searched < plain)
    }

    @Test func everyHeaderBitIsGuarded() throws {
        _ = try pack(try source())
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: folder.path("tiny.quern"))))
        for bit in 0..<(64 * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(openError(try folder.write("d.quern", damaged)) != nil, "bit \(bit)")
        }
    }

    @Test func everyDamageIsFound() throws {
        _ = try pack(try source())
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: folder.path("tiny.quern"))))
        var noise = Noise(3)
        var padding = 0
        for _ in 0..<1500 {
            var damaged = bytes
            let place = noise.below(bytes.count)
            damaged[place] ^= UInt8(1 << noise.below(8))
            let path = try folder.write("d.quern", damaged)
            do {
                let checkpoint = try openCheckpoint(path: path)
                _ = try Inspection(checkpoint).verify()
                // Only the zeros between page-aligned parts may change unnoticed.
                #expect(bytes[place] == 0)
                padding += 1
            } catch {}
        }
        #expect(padding < 1500)
    }

    @Test func tornFilesAreIncomplete() throws {
        _ = try pack(try source())
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: folder.path("tiny.quern"))))
        for count in stride(from: 0, to: bytes.count, by: 4096) {
            #expect(openError(try folder.write("d.quern", Array(bytes[..<count]))) != nil)
        }
        let zeroed = bytes.dropLast(4096) + [UInt8](repeating: 0, count: 4096)
        #expect(openError(try folder.write("d.quern", Array(zeroed))) != nil)
        #expect(openError(try folder.write("d.quern", bytes + [0])) != nil)
    }

    @Test func otherVersionsAreNamed() throws {
        _ = try pack(try source())
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: folder.path("tiny.quern"))))
        bytes[8] = 7
        let error = try #require(openError(try folder.write("d.quern", bytes)))
        #expect(error.code == .unsupported)
        #expect(error.detail.contains("made by format 7"))
        #expect(error.detail.contains("quern pack"))
    }

    @Test func cancellingLeavesNothing() throws {
        let source = try source(TinyModel(layers: 4))
        var calls = 0
        #expect(throws: CancellationError.self) {
            try Packer.pack(source, to: folder.path("tiny.quern"), isCancelled: {
                calls += 1
                return calls > 5
            })
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["tiny.gguf"])
    }

    @Test func anExistingFileSurvivesAFailure() throws {
        let good = try pack(try source())
        let before = try Data(contentsOf: URL(filePath: good.path))
        let other = try source(TinyModel(layers: 2))
        #expect(throws: CancellationError.self) { try Packer.pack(other, to: good.path, isCancelled: { true }) }
        #expect(try Data(contentsOf: URL(filePath: good.path)) == before)
    }

    @Test func archivesAreNotPackedAgain() throws {
        let packed = try pack(try source())
        #expect(throws: CheckpointError.self) { try Packer.pack(packed, to: folder.path("again.quern")) }
    }

    @Test func unwritablePlaces() throws {
        let source = try source()
        let error = try #require(throws: CheckpointError.self) { try Packer.pack(source, to: folder.path("no/such/dir.quern")) }
        #expect(error.code == .io)
    }

    @Test func LZ4ExpandsExactlyWhatItClaims() throws {
        let text = [UInt8]((0..<5000).map { UInt8($0 % 7) })
        let packed = try #require(text.withUnsafeBytes { LZ4.compress($0) })
        func expand(_ packed: [UInt8], _ count: Int) -> [UInt8]? {
            var out = [UInt8](repeating: 0, count: count)
            let isExact = packed.withUnsafeBytes { source in out.withUnsafeMutableBytes { LZ4.decompress(source, into: $0) } }
            return isExact ? out : nil
        }
        #expect(expand(packed, 5000) == text)
        #expect(expand(packed, 4999) == nil)
        #expect(expand(packed, 5001) == nil)
        // A match before the start of the output, and a length that never ends.
        #expect(expand([0x10, 0x41, 0x00, 0x00], 100) == nil)
        #expect(expand([0x10, 0x41, 0xFF, 0xFF, 0x00], 100) == nil)
        #expect(expand([0xF0] + [UInt8](repeating: 255, count: 64), 100) == nil)
        var noise = Noise(11)
        for _ in 0..<20_000 {
            var damaged = packed
            damaged[noise.below(damaged.count)] = UInt8(truncatingIfNeeded: noise.bits())
            _ = expand(damaged, 5000)
        }
    }
}
