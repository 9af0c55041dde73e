// Well-formed GGUF files: what they mean, and models that contradict themselves.
import Foundation
import QuernCheckpoint
import QuernModel
import QuernTokenizer
import TestSupport
import Testing

@Suite struct GGUFModelTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ builder: GGUFBuilder) throws -> any Checkpoint {
        try openCheckpoint(path: try folder.write("tiny.gguf", builder.bytes))
    }

    private func error(_ model: TinyModel = TinyModel(), _ change: (inout GGUFBuilder) -> Void) throws -> CheckpointError {
        var builder = GGUFBuilder(model)
        change(&builder)
        return try #require(openError(try folder.write("tiny.gguf", builder.bytes)))
    }

    @Test(arguments: ArchitectureName.allCases, [false, true])
    func everyArchitectureComesBack(_ architecture: ArchitectureName, tied: Bool) throws {
        let model = TinyModel(architecture, layers: 2, tied: tied)
        let checkpoint = try open(GGUFBuilder(model))
        var expected = model.config
        expected.eosTokenIDs = [256, 257]
        #expect(checkpoint.config == expected)
        #expect(checkpoint.displayName == "tiny")
        #expect(checkpoint.format == "GGUF v3")
        #expect(checkpoint.chatTemplate == "{{ messages[0].content }}")
        #expect(checkpoint.notes.isEmpty)
        #expect(Set(checkpoint.tensors.map(\.name)) == Set(model.config.expectedTensors.map(\.name)))
        for tensor in checkpoint.tensors {
            // What converters add or exponentiate comes back rounded.
            let isExact = !architecture.isHybrid || !(tensor.name.hasSuffix("norm.weight") || tensor.name.hasSuffix("A_log"))
            let (found, expected) = (try checkpoint.floats(tensor.name), model.values(tensor.name))
            #expect(isExact ? found == expected : zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "\(tensor.name)")
        }
        let definition = try #require(try checkpoint.tokenizerDefinition())
        #expect(definition.tokens.count == TinyModel.tokenCount)
    }

    @Test func partsOfPermutedRows() throws {
        let model = TinyModel(.llama)
        let checkpoint = try open(GGUFBuilder(model))
        let name = "model.layers.0.self_attn.q_proj.weight"
        for rows in [0..<1, 7..<9, 15..<33, 60..<64, 5..<5] {
            var values = [Float](repeating: 0, count: rows.count * 64)
            try values.withUnsafeMutableBufferPointer { try checkpoint.readRows(of: name, rows: rows, into: $0) }
            #expect(values == Array(model.values(name)[(rows.lowerBound * 64)..<(rows.upperBound * 64)]))
        }
    }

    @Test(arguments: [
        ("block_count", 0), ("block_count", 2), ("block_count", 1025), ("block_count", UInt32.max), ("attention.head_count", 0),
        ("attention.head_count_kv", 8), ("attention.head_count_kv", 3), ("embedding_length", 0), ("embedding_length", 65),
        ("context_length", 0), ("feed_forward_length", 0), ("attention.key_length", 0), ("attention.value_length", 8),
        ("rope.dimension_count", 8),
    ] as [(String, UInt32)])
    func impossibleSizes(_ key: String, _ value: UInt32) throws {
        let found = try error { $0.set("llama.\(key)", .u32(value)) }
        #expect([.malformed, .inconsistent, .unsupported].contains(found.code))
        #expect(!found.field.isEmpty)
    }

    @Test func impossibleNumbers() throws {
        for value: Float in [0, .nan, -1, .infinity] {
            #expect(try error { $0.set("llama.rope.freq_base", .f32(value)) }.field == "llama.rope.freq_base")
        }
        for value: Float in [0, .nan, -1] {
            #expect(try error { $0.set("llama.attention.layer_norm_rms_epsilon", .f32(value)) }.field.hasSuffix("rms_epsilon"))
        }
        #expect(try error { $0.set("llama.context_length", .u64(1 << 63)) }.field == "llama.context_length")
        #expect(try error { $0.set("llama.context_length", .i64(-1)) }.field == "llama.context_length")
        #expect(try error { $0.set("llama.context_length", .text("many")) }.detail.contains("a string"))
        #expect(try error { $0.set("llama.context_length", nil) }.detail == "is missing")
        #expect(try error { $0.set("general.architecture", .text("mamba")) }.code == .unsupported)
    }

    @Test func missingTensorsAreListed() throws {
        let found = try error(TinyModel(.llama, layers: 2)) { builder in
            builder.tensors.removeAll { $0.name.starts(with: Array("blk.1.".utf8)) }
        }
        #expect(found.code == .inconsistent)
        #expect(found.detail.hasPrefix("9 of the configuration are missing: model.layers.1."))
        #expect(found.detail.hasSuffix(", …"))
    }

    @Test func shapesAreCompared() throws {
        let found = try error { builder in
            builder.tensors[2].dimensions = [32, 128]
        }
        #expect(found.detail == "shape [128, 32], expected [64, 64]")
    }

    @Test func unknownTensorsAreCounted() throws {
        var builder = GGUFBuilder(TinyModel())
        for number in 0..<20 {
            builder.tensors.append(.init(name: Array("extra.\(number)".utf8), dimensions: [8], type: 0, bytes: [UInt8](repeating: 0, count: 32)))
        }
        let checkpoint = try open(builder)
        #expect(checkpoint.notes == ["20 tensors that the architecture does not use were ignored: extra.0, extra.1, extra.2, extra.3, extra.4, …"])
    }

    @Test func splitFilesAreNamed() throws {
        let found = try error { builder in
            builder.set("split.count", .u32(3))
            builder.set("split.no", .u32(1))
        }
        #expect(found.code == .unsupported)
        #expect(found.detail.contains("part 2 of 3"))
    }

    @Test func ropeScaling() throws {
        var builder = GGUFBuilder(TinyModel())
        builder.set("llama.rope.scaling.type", .text("linear"))
        builder.set("llama.rope.scaling.factor", .f32(4))
        #expect(try open(builder).config.ropeScaling == .linear(factor: 4))
        builder.set("llama.rope.scaling.type", .text("yarn"))
        builder.set("llama.rope.scaling.original_context_length", .u32(32))
        #expect(
            try open(builder).config.ropeScaling
                == .yarn(factor: 4, betaFast: 32, betaSlow: 1, originalContext: 32, attentionFactor: nil))
        #expect(try error { $0.set("llama.rope.scaling.type", .text("longrope")) }.code == .unsupported)
        let divisors: [Float] = [1, 1, 2, 2, 4, 4, 8, 8]
        builder.tensors.append(
            .init(name: Array("rope_freqs.weight".utf8), dimensions: [8], type: 0, bytes: GGUFBuilder.floats(divisors)))
        #expect(try open(builder).config.ropeScaling == .divisors(divisors.map(Double.init)))
    }

    @Test func samplingDefaults() throws {
        var builder = GGUFBuilder(TinyModel())
        builder.set("general.sampling.temp", .f32(0.5))
        builder.set("general.sampling.top_k", .i32(20))
        let defaults = try open(builder).generationDefaults
        #expect(defaults.temperature == 0.5)
        #expect(defaults.topK == 20)
        #expect(defaults.topP == nil)
    }

    @Test func templatesThatAreNotText() throws {
        var builder = GGUFBuilder(TinyModel())
        builder.set("tokenizer.chat_template", .string([65, 0xFF, 66]))
        let checkpoint = try open(builder)
        #expect(checkpoint.chatTemplate == "A\u{FFFD}B")
        #expect(checkpoint.notes.count == 1)
    }

    @Test func filesWithoutTokenizer() throws {
        var builder = GGUFBuilder(TinyModel())
        for key in ["model", "tokens", "token_type", "merges", "pre", "eos_token_id"] { builder.set("tokenizer.ggml.\(key)", nil) }
        let checkpoint = try open(builder)
        #expect(try checkpoint.tokenizerDefinition() == nil)
        #expect(checkpoint.config.eosTokenIDs.isEmpty)
    }

    /// Weights may be anything; reading and quantising them must not trap.
    @Test func notANumberInWeights() throws {
        var model = TinyModel()
        model.weights["model.layers.0.mlp.up_proj.weight"]?[5] = .nan
        model.weights["model.layers.0.mlp.up_proj.weight"]?[900] = .infinity
        let checkpoint = try open(GGUFBuilder(model))
        #expect(try checkpoint.floats("model.layers.0.mlp.up_proj.weight")[5].isNaN)
        #expect(throws: CheckpointError.self) { try Inspection(checkpoint).verify() }
        #expect(throws: CheckpointError.self) { try Packer.pack(checkpoint, to: folder.path("x.quern")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["tiny.gguf"])
    }
}
