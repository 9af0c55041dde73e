// Keys and values of all layers, in blocks of 128 tokens, and the attention kernels that read them.
//
// Owns: the bytes and their layout. Does not own: which block belongs to which sequence (the engine's block pool).
// Invariant: a token reference only names blocks below `blockCount`; the kernels do not check again.
import CQuernKernels

/// The tokens of one step as the attention kernels want them: a block table and a position for each.
public struct TokenReferences: @unchecked Sendable {
    let base: UnsafeMutablePointer<qk_token_ref>
    public let capacity: Int

    public init(capacity: Int, in arena: Arena) throws(SystemError) {
        self.capacity = capacity
        base = try arena.allocate(byteCount: capacity * MemoryLayout<qk_token_ref>.stride)
            .bindMemory(to: qk_token_ref.self, capacity: capacity)
    }

    /// Token `index` of the step stands at `position` of the sequence whose blocks are `blocks`.
    public func set(_ index: Int, blocks: Int32s, position: Int) {
        precondition(index >= 0 && index < capacity && position >= 0)
        precondition(position / KVStorage.blockSize < blocks.count)
        base[index] = qk_token_ref(block_table: UnsafePointer(blocks.base), position: Int32(position))
    }
}

/// How keys and values are stored.
public enum KVFormat: String, Sendable, CaseIterable {
    case float32 = "f32"
    case half = "f16"
    /// Integers with a float scale per position and head: half the memory of f16.
    case int8

    /// Bytes of one key or value vector of one head.
    func byteCount(headDim: Int) -> Int {
        switch self {
        case .float32: headDim * 4
        case .half: headDim * 2
        case .int8: headDim + 4
        }
    }

    var elementSize: Int { self == .float32 ? 4 : self == .half ? 2 : 1 }

    var kernelFormat: qk_kv_format {
        switch self {
        case .float32: QK_KV_FLOAT
        case .half: QK_KV_HALF
        case .int8: QK_KV_INT8
        }
    }
}

/// K and V for `layers` layers x `blockCount` blocks.
public struct KVStorage: ~Copyable {
    /// Tokens per block; also the attention tile.
    public static let blockSize = 128

    public let layers: Int
    public let blockCount: Int
    public let kvHeads: Int
    public let headDim: Int
    public let format: KVFormat
    private let region: MemoryRegion
    private let blockElements: Int

    /// Bytes one token occupies in all layers.
    public static func bytesPerToken(layers: Int, kvHeads: Int, headDim: Int, format: KVFormat) -> Int {
        layers * 2 * kvHeads * format.byteCount(headDim: headDim)
    }

    public init(layers: Int, blockCount: Int, kvHeads: Int, headDim: Int, format: KVFormat) throws(SystemError) {
        self.layers = layers
        self.blockCount = blockCount
        self.kvHeads = kvHeads
        self.headDim = headDim
        self.format = format
        blockElements = kvHeads * Self.blockSize * headDim
        let bases = format == .int8 ? layers * blockCount * kvHeads * headDim * 4 : 0
        region = try MemoryRegion(
            byteCount: bases + blockCount * Self.blockSize
                * Self.bytesPerToken(layers: layers, kvHeads: kvHeads, headDim: headDim, format: format))
    }

    public var byteCount: Int { region.byteCount }

    private func layer(_ index: Int) -> qk_kv_layer {
        precondition(index >= 0 && index < layers)
        // All planes of values, then those of scales, then the base keys of the blocks.
        let plane = blockCount * blockElements * format.elementSize
        let scalePlane = blockCount * kvHeads * Self.blockSize
        let scales = format == .int8
            ? (region.base + layers * 2 * plane).assumingMemoryBound(to: Float.self) + index * 2 * scalePlane : nil
        let bases = scales.map { $0 + (layers - index) * 2 * scalePlane + index * blockCount * kvHeads * headDim }
        return qk_kv_layer(
            k: region.base + index * 2 * plane, v: region.base + (index * 2 + 1) * plane,
            k_scales: scales, v_scales: scales.map { $0 + scalePlane },
            k_bases: bases, block_stride: Int64(blockElements), block_size: Int32(Self.blockSize), kv_heads: Int32(kvHeads),
            head_dim: Int32(headDim), format: format.kernelFormat, window: 0)
    }

    /// Copies everything that a block holds, in all layers.
    public func copyBlock(_ source: Int, to target: Int) {
        precondition(source >= 0 && source < blockCount && target >= 0 && target < blockCount)
        func copy(_ plane: UnsafeMutableRawPointer, _ bytesPerBlock: Int) {
            (plane + target * bytesPerBlock).copyMemory(from: plane + source * bytesPerBlock, byteCount: bytesPerBlock)
        }
        for index in 0..<layers {
            let layer = layer(index)
            for plane in [layer.k, layer.v] { copy(plane!, blockElements * format.elementSize) }
            guard let keyScales = layer.k_scales, let valueScales = layer.v_scales, let bases = layer.k_bases else { continue }
            for plane in [keyScales, valueScales] { copy(plane, kvHeads * Self.blockSize * 4) }
            copy(bases, kvHeads * headDim * 4)
        }
    }

    /// Returns the memory of blocks to the system until they are written again. What they held is lost.
    public func yield(blocks: [Int]) {
        let bytes = blockElements * format.elementSize
        for run in Self.runs(of: blocks) {
            precondition(run.lowerBound >= 0 && run.upperBound <= blockCount)
            for plane in 0..<(layers * 2) {
                let start = plane * blockCount * bytes
                region.yield((start + run.lowerBound * bytes)..<(start + run.upperBound * bytes))
            }
        }
    }

    /// Neighbours together, so that pages which two of them share are returned too.
    private static func runs(of blocks: [Int]) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for block in blocks.sorted() {
            if let last = runs.last, last.upperBound == block {
                runs[runs.count - 1] = last.lowerBound..<(block + 1)
            } else {
                runs.append(block..<(block + 1))
            }
        }
        return runs
    }

    /// Stores `tokens` rows of k and v ([tokens, kvHeads * headDim], row stride `stride`).
    public func store(
        k: Floats, v: Floats, stride: Int, tokens: TokenReferences, count: Int, layer index: Int, kernels: Kernels,
        pool: borrowing WorkerPool
    ) {
        let width = kvHeads * headDim
        precondition(count > 0 && count <= tokens.capacity && min(k.count, v.count) >= (count - 1) * stride + width)
        qk_kv_store(
            kernels.instructionSet.ops, pool.handle, k.base, Int64(stride), v.base, Int64(stride), tokens.base,
            Int64(count), layer(index))
    }

    /// Floats of scratch that `attend` needs.
    public static func scratchCount(heads: Int, kvHeads: Int, headDim: Int, threads: Int) -> Int {
        threads * Int(qk_attention_scratch_floats(Int32(heads), Int32(kvHeads), Int32(headDim), Int32(blockSize)))
    }

    /// out [count, heads * headDim] = causal attention of q over each token's own sequence.
    ///
    /// - Parameter window: last positions that a token sees, its own included; nil for all.
    public func attend(
        q: Floats, into out: Floats, stride: Int, tokens: TokenReferences, count: Int, heads: Int, scale: Float,
        layer index: Int, window: Int?, scratch: Floats, kernels: Kernels, pool: borrowing WorkerPool
    ) {
        let width = heads * headDim
        precondition(heads % kvHeads == 0 && count > 0 && count <= tokens.capacity)
        precondition(min(q.count, out.count) >= (count - 1) * stride + width)
        precondition(
            scratch.count >= Self.scratchCount(
                heads: heads, kvHeads: kvHeads, headDim: headDim, threads: pool.threadCount))
        var layer = layer(index)
        layer.window = window.map { Int32(clamping: $0) } ?? 0
        qk_attention(
            kernels.instructionSet.ops, pool.handle, q.base, Int64(stride), out.base, Int64(stride), tokens.base,
            Int64(count), Int32(heads), layer, scale, scratch.base)
    }
}
