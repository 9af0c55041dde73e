// Sets of Unicode scalars as sorted ranges, and their spelling in UTF-8.
//
// Invariant: ranges are disjoint, ascending, not adjacent, and hold no surrogates.

struct ScalarSet: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<UInt32>] = []

    static let all = ScalarSet([0...0x10FFFF])
    static let empty = ScalarSet([])

    init(_ ranges: [ClosedRange<UInt32>]) { self.ranges = Self.normalized(ranges) }

    init(_ scalar: UInt32) { self.init([scalar...scalar]) }

    var isEmpty: Bool { ranges.isEmpty }

    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

    var complement: ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return ScalarSet(result)
    }

    func intersection(_ other: ScalarSet) -> ScalarSet { complement.union(other.complement).complement }

    private static func normalized(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        let valid = ranges.flatMap { range -> [ClosedRange<UInt32>] in
            [(range.lowerBound, min(range.upperBound, 0xD7FF)), (max(range.lowerBound, 0xE000), min(range.upperBound, 0x10FFFF))]
                .compactMap { $0.0 <= $0.1 ? $0.0...$0.1 : nil }
        }
        var result: [ClosedRange<UInt32>] = []
        for range in valid.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound + 1 {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}

/// The byte sequences that spell the scalars of `range`, each a product of byte ranges.
///
/// - Precondition: `range` holds no surrogates and ends at 0x10FFFF or below.
func utf8Sequences(_ range: ClosedRange<UInt32>) -> [[ClosedRange<UInt8>]] {
    var result: [[ClosedRange<UInt8>]] = []
    for lengths in [0...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF] as [ClosedRange<UInt32>] {
        let low = max(range.lowerBound, lengths.lowerBound)
        let high = min(range.upperBound, lengths.upperBound)
        if low <= high { split(low, high, into: &result) }
    }
    return result
}

/// Cuts where a trailing byte does not run through its whole range 0x80...0xBF. Both ends have the same length.
private func split(_ low: UInt32, _ high: UInt32, into result: inout [[ClosedRange<UInt8>]]) {
    for shift in [18, 12, 6] as [UInt32] {
        let mask = (UInt32(1) << shift) - 1
        guard low >> shift != high >> shift, high > 0x7F else { continue }
        if low & mask != 0 {
            split(low, low | mask, into: &result)
            return split((low | mask) + 1, high, into: &result)
        }
        if high & mask != mask {
            split(low, (high & ~mask) - 1, into: &result)
            return split(high & ~mask, high, into: &result)
        }
    }
    result.append(zip(utf8(low), utf8(high)).map { $0...$1 })
}

/// UTF-8 of a scalar value.
func utf8(_ scalar: UInt32) -> [UInt8] {
    Unicode.Scalar(scalar).map { Array(UTF8.encode($0) ?? UTF8.encodedReplacementCharacter) } ?? []
}
