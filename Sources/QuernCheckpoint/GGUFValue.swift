// Metadata values of a GGUF file.

/// Arrays are kept by element type; nested arrays are not part of any key quern reads and are refused.
enum GGUFValue: Sendable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case bool(Bool)
    case string([UInt8])
    case integers([Int64], typeName: String)
    case floats([Double], typeName: String)
    case bools([Bool])
    case strings([[UInt8]])

    var typeName: String {
        switch self {
        case .unsigned: "an unsigned integer"
        case .signed: "a signed integer"
        case .float: "a float"
        case .bool: "a bool"
        case .string: "a string"
        case .integers(_, let name), .floats(_, let name): "an array of \(name)"
        case .bools: "an array of BOOL"
        case .strings: "an array of STRING"
        }
    }
}

/// Type numbers of metadata values, as the GGUF specification gives them.
enum GGUFType: UInt32 {
    case uint8 = 0, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    var name: String { "\(self)".uppercased() }

    /// Bytes of one element; a string's is the least it can take.
    var minimumSize: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .string: 8
        case .array: 12
        }
    }
}
