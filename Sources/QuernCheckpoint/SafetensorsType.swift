// Element types of safetensors files: all that the format names have a size, some can be weights.
import QuernTensor

enum SafetensorsType: String, Sendable, CaseIterable {
    case f32 = "F32", f16 = "F16", bf16 = "BF16", f8 = "F8_E4M3", i32 = "I32"
    case f64 = "F64", i64 = "I64", u64 = "U64", u32 = "U32", i16 = "I16", u16 = "U16", i8 = "I8", u8 = "U8", bool = "BOOL"
    case f8Wide = "F8_E5M2"

    var byteCount: Int {
        switch self {
        case .f64, .i64, .u64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16, .i16, .u16: 2
        case .f8, .f8Wide, .i8, .u8, .bool: 1
        }
    }

    /// How plain weights of this type are decoded; nil for what cannot be weights by itself.
    var storage: StorageType? {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        default: nil
        }
    }
}
