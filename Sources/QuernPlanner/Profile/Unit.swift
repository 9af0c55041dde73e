// Units of the numbers in a device profile.
//
// Invariant: a number without a unit of the right dimension is refused; 700 GB/s of a link never passes for memory.

/// What a number measures; the raw value is how messages call it.
public enum Dimension: String, Sendable {
    case bytes = "an amount of memory"
    case bytesPerSecond = "a bandwidth"
    case operationsPerSecond = "a rate of operations"
    case seconds = "a time"
    case watts = "a power"
    case fraction = "a percentage"
    case count = "a plain number"
}

enum Unit {
    private static let table: [(symbol: String, dimension: Dimension, factor: Double)] = [
        ("B", .bytes, 1), ("KB", .bytes, 1e3), ("MB", .bytes, 1e6), ("GB", .bytes, 1e9), ("TB", .bytes, 1e12),
        ("KiB", .bytes, 0x1p10), ("MiB", .bytes, 0x1p20), ("GiB", .bytes, 0x1p30), ("TiB", .bytes, 0x1p40),
        ("B/s", .bytesPerSecond, 1), ("MB/s", .bytesPerSecond, 1e6), ("GB/s", .bytesPerSecond, 1e9),
        ("TB/s", .bytesPerSecond, 1e12), ("GiB/s", .bytesPerSecond, 0x1p30),
        ("GFLOPS", .operationsPerSecond, 1e9), ("TFLOPS", .operationsPerSecond, 1e12), ("PFLOPS", .operationsPerSecond, 1e15),
        ("GOPS", .operationsPerSecond, 1e9), ("TOPS", .operationsPerSecond, 1e12),
        ("ns", .seconds, 1e-9), ("us", .seconds, 1e-6), ("ms", .seconds, 1e-3), ("s", .seconds, 1),
        ("W", .watts, 1), ("%", .fraction, 0.01), ("", .count, 1),
    ]

    /// What one of `symbol` is in base units; nil when it does not measure `dimension`.
    static func factor(_ symbol: String, of dimension: Dimension) -> Double? {
        table.first { $0.symbol == symbol && $0.dimension == dimension }?.factor
    }

    static func symbols(of dimension: Dimension) -> String {
        table.filter { $0.dimension == dimension }.map { $0.symbol.isEmpty ? "no unit" : $0.symbol }.joined(separator: ", ")
    }

    /// A value with the largest unit that leaves a digit before the point; three digits or more.
    static func describe(_ value: Double, _ dimension: Dimension) -> String {
        let unit = unit(for: value, dimension)
        return joined(scaled(value, unit.factor), unit.symbol)
    }

    /// A range in the unit of its upper end.
    static func describe(_ low: Double, _ high: Double, _ dimension: Dimension) -> String {
        let unit = unit(for: high, dimension)
        return joined("\(scaled(low, unit.factor)) .. \(scaled(high, unit.factor))", unit.symbol)
    }

    private static func joined(_ number: String, _ symbol: String) -> String { symbol.isEmpty ? number : "\(number) \(symbol)" }

    private static func scaled(_ value: Double, _ factor: Double) -> String {
        let number = value / factor
        return decimal(number, number >= 100 && number != number.rounded() ? 1 : number == number.rounded() ? 0 : number >= 10 ? 2 : 3)
    }

    private static func unit(for value: Double, _ dimension: Dimension) -> (symbol: String, factor: Double) {
        // Binary sizes for memory, decimal rates, as data sheets have them.
        let usable = table.filter {
            $0.dimension == dimension && !($0.dimension == .bytes && $0.symbol.count == 2)
                && !["GiB/s", "GOPS", "TOPS"].contains($0.symbol)
        }
        let unit = usable.last { value >= $0.factor * 0.9995 } ?? usable[0]
        return (unit.symbol, unit.factor)
    }
}

/// `value` with `digits` decimals, rounded half away from zero.
func decimal(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int64((abs(value) * scale).rounded())
    let (whole, part) = scaled.quotientAndRemainder(dividingBy: Int64(scale))
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let padded = String(repeating: "0", count: digits - "\(part)".count) + "\(part)"
    return "\(sign)\(whole).\(padded)"
}
