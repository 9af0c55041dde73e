// From values to places along one edge of a panel, with round numbers to label.
import Foundation

struct Scale {
    enum Kind { case linear, logarithmic }

    let kind: Kind
    let low: Double
    let high: Double

    /// Covers `values` and, on a linear scale, zero.
    init(_ kind: Kind, covering values: [Double]) {
        self.kind = kind
        let usable = values.filter { $0.isFinite && (kind == .linear || $0 > 0) }
        let (least, most) = (usable.min() ?? 1, usable.max() ?? 1)
        switch kind {
        case .linear:
            low = min(0, least)
            high = max(most * 1.05, low + 1e-9)
        case .logarithmic:
            low = least / 1.5
            high = most * 1.5
        }
    }

    /// 0 at the low end, 1 at the high end; values outside are moved to the ends.
    func share(_ value: Double) -> Double {
        let share = kind == .linear ? (value - low) / (high - low) : log(max(value, low) / low) / log(high / low)
        return min(max(share, 0), 1)
    }

    /// Round values from low to high: multiples of 1, 2 or 5, or of powers of ten.
    var ticks: [Double] {
        switch kind {
        case .linear:
            let raw = (high - low) / 5
            let power = pow(10, floor(log10(raw)))
            let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw } ?? raw
            return Array(stride(from: (low / step).rounded(.up) * step, through: high, by: step))
        case .logarithmic:
            let decades = Int(floor(log10(low)))...Int(ceil(log10(high)))
            let digits: [Double] = decades.count > 4 ? [1] : [1, 2, 5]
            return decades.flatMap { decade in digits.map { $0 * pow(10, Double(decade)) } }.filter { low <= $0 && $0 <= high }
        }
    }

    static func label(_ value: Double) -> String {
        switch abs(value) {
        case 1_000_000...: fixed(value / 1_000_000, value.remainder(dividingBy: 1_000_000) == 0 ? 0 : 1) + "M"
        case 10_000...: fixed(value / 1000, value.remainder(dividingBy: 1000) == 0 ? 0 : 1) + "k"
        case 1...: fixed(value, value.rounded() == value ? 0 : 1)
        default: value == 0 ? "0" : shortest((value * 1e6).rounded() / 1e6)
        }
    }
}
