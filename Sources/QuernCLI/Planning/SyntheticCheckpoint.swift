// A model of random weights in any shape, for timing: speed does not depend on what the weights say.
import QuernCheckpoint
import QuernModel
import QuernTokenizer

struct SyntheticCheckpoint: Checkpoint {
    let path = "synthetic"
    let format = "synthetic"
    let displayName: String
    let config: ModelConfig
    let tensors: [TensorInfo]
    let notes: [String] = []
    let chatTemplate: String? = nil
    let generationDefaults = GenerationDefaults()

    init(_ name: String, config: ModelConfig) {
        displayName = name
        self.config = config
        tensors = config.expectedTensors.map { tensor in
            TensorInfo(
                name: tensor.name, shape: tensor.shape, storage: "F32", byteCount: tensor.shape.reduce(4, *), fileOffset: 0,
                isQuantizable: tensor.isQuantizable)
        }
    }

    func tensor(named name: String) -> TensorInfo? { tensors.first { $0.name == name } }

    func tokenizerDefinition() -> TokenizerDefinition? { nil }

    /// Integers times a power of two, of which every group has the magnitude that the quantizer tries first: it need not search.
    func readRows(of name: String, rows: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) {
        let (largest, smallestGroup, step) = (112, 32, Float(1) / 4096)
        var state = UInt64(rows.lowerBound) &* 0x9E37_79B9_7F4A_7C15 &+ 1
        for index in out.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            out[index] = Float(index % smallestGroup == 0 ? largest : Int(state >> 33) % largest) * step * (state >> 32 & 1 == 0 ? 1 : -1)
        }
    }
}
