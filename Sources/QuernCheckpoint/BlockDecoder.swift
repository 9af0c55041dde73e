// Tensor bytes to floats, one row at a time, exactly as ggml's reference code dequantises them.
//
// Source of the layouts: ggml-common.h and ggml-quants.c. Invariant: the caller has checked that both buffers hold whole
// blocks; nothing here looks outside them.

enum BlockDecoder {
    /// Decodes `out.count` elements; `out.count` is a multiple of the type's block length.
    static func decode(_ type: StorageType, _ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableBufferPointer<Float>) {
        let blocks = out.count / type.elementsPerBlock
        precondition(blocks * type.elementsPerBlock == out.count && bytes.count >= blocks * type.bytesPerBlock)
        guard blocks > 0, let source = bytes.baseAddress, let target = out.baseAddress else { return }
        switch type {
        case .f32: UnsafeMutableRawBufferPointer(out).copyMemory(from: UnsafeRawBufferPointer(start: source, count: blocks * 4))
        case .f16: for i in 0..<blocks { target[i] = half(source, i * 2) }
        case .bf16:
            for i in 0..<blocks {
                let bits = source.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)
                target[i] = Float(bitPattern: UInt32(bits) << 16)
            }
        case .q8_0: each(type, blocks, source, target, q8_0)
        case .q4_0: each(type, blocks, source, target, q4_0)
        case .q4_1: each(type, blocks, source, target, q4_1)
        case .q5_0: each(type, blocks, source, target, q5_0)
        case .q5_1: each(type, blocks, source, target, q5_1)
        case .q4_K: each(type, blocks, source, target, q4_K)
        case .q5_K: each(type, blocks, source, target, q5_K)
        case .q6_K: each(type, blocks, source, target, q6_K)
        }
    }

    @inline(__always) private static func each(
        _ type: StorageType, _ blocks: Int, _ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>,
        _ body: (UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void
    ) {
        for block in 0..<blocks {
            body(source + block * type.bytesPerBlock, target + block * type.elementsPerBlock)
        }
    }

    @inline(__always) private static func half(_ p: UnsafeRawPointer, _ offset: Int) -> Float {
        Float(Float16(bitPattern: p.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    }

    @inline(__always) private static func byte(_ p: UnsafeRawPointer, _ offset: Int) -> Int32 {
        Int32(p.load(fromByteOffset: offset, as: UInt8.self))
    }

    // ---- blocks of 32 ----

    private static func q8_0(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        for i in 0..<32 { out[i] = d * Float(p.load(fromByteOffset: 2 + i, as: Int8.self)) }
    }

    private static func q4_0(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        for i in 0..<16 {
            let q = byte(p, 2 + i)
            out[i] = Float((q & 15) - 8) * d
            out[i + 16] = Float((q >> 4) - 8) * d
        }
    }

    private static func q4_1(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        let m = half(p, 2)
        for i in 0..<16 {
            let q = byte(p, 4 + i)
            out[i] = Float(q & 15) * d + m
            out[i + 16] = Float(q >> 4) * d + m
        }
    }

    private static func q5_0(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        let high = p.loadUnaligned(fromByteOffset: 2, as: UInt32.self)
        for i in 0..<16 {
            let q = byte(p, 6 + i)
            let low = (q & 15) | Int32((high >> UInt32(i)) & 1) << 4
            let top = (q >> 4) | Int32((high >> UInt32(i + 16)) & 1) << 4
            out[i] = Float(low - 16) * d
            out[i + 16] = Float(top - 16) * d
        }
    }

    private static func q5_1(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        let m = half(p, 2)
        let high = p.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        for i in 0..<16 {
            let q = byte(p, 8 + i)
            let low = (q & 15) | Int32((high >> UInt32(i)) & 1) << 4
            let top = (q >> 4) | Int32((high >> UInt32(i + 16)) & 1) << 4
            out[i] = Float(low) * d + m
            out[i + 16] = Float(top) * d + m
        }
    }

    // ---- super-blocks of 256 ----

    /// The 6-bit scale and minimum of sub-block `j`, packed into 12 bytes.
    @inline(__always) private static func scaleAndMinimum(_ j: Int, _ p: UnsafeRawPointer) -> (Float, Float) {
        if j < 4 { return (Float(byte(p, j) & 63), Float(byte(p, j + 4) & 63)) }
        let scale = (byte(p, j + 4) & 15) | (byte(p, j - 4) >> 6) << 4
        let minimum = (byte(p, j + 4) >> 4) | (byte(p, j) >> 6) << 4
        return (Float(scale), Float(minimum))
    }

    private static func q4_K(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        let dmin = half(p, 2)
        for pair in 0..<4 {
            let (s1, m1) = scaleAndMinimum(2 * pair, p + 4)
            let (s2, m2) = scaleAndMinimum(2 * pair + 1, p + 4)
            let (d1, n1, d2, n2) = (d * s1, dmin * m1, d * s2, dmin * m2)
            for i in 0..<32 {
                let q = byte(p, 16 + pair * 32 + i)
                out[pair * 64 + i] = d1 * Float(q & 15) - n1
                out[pair * 64 + 32 + i] = d2 * Float(q >> 4) - n2
            }
        }
    }

    private static func q5_K(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 0)
        let dmin = half(p, 2)
        for pair in 0..<4 {
            let (s1, m1) = scaleAndMinimum(2 * pair, p + 4)
            let (s2, m2) = scaleAndMinimum(2 * pair + 1, p + 4)
            let (d1, n1, d2, n2) = (d * s1, dmin * m1, d * s2, dmin * m2)
            for i in 0..<32 {
                let q = byte(p, 48 + pair * 32 + i)
                let high = byte(p, 16 + i) >> Int32(2 * pair)
                out[pair * 64 + i] = d1 * Float((q & 15) + (high & 1) << 4) - n1
                out[pair * 64 + 32 + i] = d2 * Float((q >> 4) + (high & 2) << 3) - n2
            }
        }
    }

    private static func q6_K(_ p: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let d = half(p, 208)
        for half in 0..<2 {
            let low = p + half * 64
            let high = p + 128 + half * 32
            let scales = p + 192 + half * 8
            let target = out + half * 128
            for i in 0..<32 {
                let h = byte(high, i)
                let q1 = (byte(low, i) & 15) | (h & 3) << 4
                let q2 = (byte(low, i + 32) & 15) | (h >> 2 & 3) << 4
                let q3 = (byte(low, i) >> 4) | (h >> 4 & 3) << 4
                let q4 = (byte(low, i + 32) >> 4) | (h >> 6 & 3) << 4
                func scale(_ index: Int) -> Float { d * Float(scales.load(fromByteOffset: i / 16 + index, as: Int8.self)) }
                target[i] = scale(0) * Float(q1 - 32)
                target[i + 32] = scale(2) * Float(q2 - 32)
                target[i + 64] = scale(4) * Float(q3 - 32)
                target[i + 96] = scale(6) * Float(q4 - 32)
            }
        }
    }
}
