// How the weights of a model are stored, as bits per weight of each tensor class.
//
// Owns: the formats people serve models in, and quern's own. Does not own: which kernels read them (device profiles name
// those by `kernel`). Invariant: the bits include scales and zero points.

public struct TensorFormat: Sendable, Equatable {
    /// As users write it.
    public let name: String
    /// The kernel class that multiplies with the projections, as device profiles call it.
    public let kernel: String
    /// The same of the language-model head.
    public let headKernel: String
    public let projectionBits: Double
    public let tableBits: Double
    public let vectorBits: Double
    /// Columns that share a scale, in the formats of quern's archives; nil in others.
    public let group: Int?

    init(
        _ name: String, kernel: String, headKernel: String, projections: Double, tables: Double, vectors: Double, group: Int? = nil
    ) {
        self.name = name
        self.kernel = kernel
        self.headKernel = headKernel
        projectionBits = projections
        tableBits = tables
        vectorBits = vectors
        self.group = group
    }

    /// Everything in one width.
    private static func uniform(_ name: String, bits: Double) -> TensorFormat {
        TensorFormat(name, kernel: name, headKernel: name, projections: bits, tables: bits, vectors: bits)
    }

    /// Integers in groups of 128 with a half-precision scale and a zero point, tables and vectors in bf16: GPTQ and AWQ.
    private static func grouped(_ name: String, bits: Double) -> TensorFormat {
        TensorFormat(
            name, kernel: name, headKernel: "bf16", projections: bits + (16 + bits) / 128, tables: 16, vectors: 16)
    }

    /// quern's archives: integers in groups with a half-precision scale, tables included, vectors in f32.
    private static func tiles(_ name: String, bits: Double) -> TensorFormat {
        let scale = 16.0 / 64
        return TensorFormat(
            name, kernel: name, headKernel: "q8", projections: bits + scale, tables: 8 + scale, vectors: 32, group: 64)
    }

    /// The same with other groups; unchanged where there are none.
    public func inGroups(of size: Int) -> TensorFormat {
        guard let group, size > 0 else { return self }
        let more = 16 / Double(size) - 16 / Double(group)
        return TensorFormat(
            name, kernel: kernel, headKernel: headKernel, projections: projectionBits + more, tables: tableBits + more,
            vectors: vectorBits, group: size)
    }

    /// Every format that `--precision` accepts.
    public static let all: [TensorFormat] = [
        uniform("f32", bits: 32), uniform("bf16", bits: 16),
        // Blocks of 128 x 128 share a float scale.
        TensorFormat("fp8", kernel: "fp8", headKernel: "bf16", projections: 8 + 32.0 / 16384, tables: 16, vectors: 16),
        grouped("int8", bits: 8), grouped("int4", bits: 4), grouped("awq", bits: 4), tiles("q8", bits: 8), tiles("q6", bits: 6), tiles("q4", bits: 4),
    ]

    public static func named(_ name: String) -> TensorFormat? {
        let synonyms = ["f16": "bf16", "fp16": "bf16", "gptq-int4": "int4", "awq-int4": "awq", "gptq-int8": "int8"]
        let name = name.lowercased()
        return all.first { $0.name == synonyms[name] ?? name }
    }

    /// Bits per weight of a class.
    public func bits(of tensors: TensorClass) -> Double {
        switch tensors {
        case .embedding, .head: tableBits
        case .attention, .deltaNet, .feedForward, .experts: projectionBits
        case .vectors: vectorBits
        }
    }

    /// The kernel class that multiplies with a class; experts have kernels of their own.
    public func kernel(of tensors: TensorClass) -> String {
        switch tensors {
        case .embedding, .head: headKernel
        case .experts: "experts-" + kernel
        case .attention, .deltaNet, .feedForward, .vectors: kernel
        }
    }
}
