// Numbers as text.
import Foundation

/// With a fixed number of digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// As short as it can be read back: 2 and not 2.0.
func shortest(_ value: Double) -> String { Int64(exactly: value).map { String($0) } ?? value.description }

/// With about three digits that count.
func significant(_ value: Double) -> String {
    let size = abs(value)
    return fixed(value, size >= 100 || value == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}
