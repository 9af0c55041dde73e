// Numbers as decimal digits, so that bounds can be compared digit by digit.
//
// Invariant: no leading zero in `integer` (zero is 0), no trailing zero in `fraction`, zero is not negative.
import QuernJSON

struct DecimalNumber: Comparable {
    var isNegative = false
    /// Digits before the point as a number; at most 10^18.
    var integer: Int64 = 0
    /// Digits after the point, most significant first.
    var fraction: [UInt8] = []

    static let zero = DecimalNumber()
    /// Beyond, bounds are taken as infinite.
    static let limit: Int64 = 1_000_000_000_000_000_000

    init() {}

    /// The number as written, or nil when it is none. Beyond 10^18 it is 10^18, whatever the fraction.
    init?(_ value: JSONValue) {
        switch value {
        case .int(let number):
            self.init()
            isNegative = number < 0
            integer = Int64(min(number.magnitude, UInt64(Self.limit)))
        case .bigInteger(let digits):
            self.init()
            isNegative = digits.utf8.first == UInt8(ascii: "-")
            integer = Self.limit
        case .double(let number): self.init(number)
        default: return nil
        }
    }

    private init(_ number: Double) {
        isNegative = number < 0
        guard number.magnitude < Double(Self.limit) else {
            integer = Self.limit
            return
        }
        // Swift prints the shortest digits that read back as the same number, with an exponent where it is far from zero.
        let parts = number.magnitude.description.utf8.split { $0 == UInt8(ascii: "e") }
        let digits = parts[0].filter { $0 != UInt8(ascii: ".") }
        let point = (parts[0].firstIndex(of: UInt8(ascii: ".")).map { parts[0].distance(from: parts[0].startIndex, to: $0) } ?? digits.count)
            + (parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0)
        let padded = [UInt8](repeating: 0x30, count: max(0, -point)) + digits
            + [UInt8](repeating: 0x30, count: max(0, point - digits.count))
        let split = max(0, point)
        integer = Int64(String(decoding: padded[..<split], as: UTF8.self)) ?? 0
        fraction = padded[split...].map { $0 - 0x30 }
        while fraction.last == 0 { fraction.removeLast() }
        if integer == 0 && fraction.isEmpty { isNegative = false }
    }

    var negated: DecimalNumber {
        var result = self
        if result != .zero { result.isNegative.toggle() }
        return result
    }

    static func < (a: DecimalNumber, b: DecimalNumber) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        return a.isNegative ? b.isBelowInMagnitude(a) : a.isBelowInMagnitude(b)
    }

    private func isBelowInMagnitude(_ other: DecimalNumber) -> Bool {
        integer == other.integer ? fraction.lexicographicallyPrecedes(other.fraction) : integer < other.integer
    }
}
