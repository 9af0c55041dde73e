// Canonical decomposition, ordering and composition (Unicode 16.0, UAX #15).
//
// Invariant: the buffers only grow to the longest span seen; nothing is allocated for spans within them.

/// The facts: combining classes, full decompositions, primary compositions.
struct CompositionTables: Sendable {
    static let shared = CompositionTables()

    private let classes: ScalarMap
    private let decompositions: ScalarMap       // scalar → offset << 8 | count in `parts`
    private let parts: [UInt32]
    private let compositions: ScalarMap         // first << 32 | second → composed

    private init() {
        var classes: [(UInt64, UInt32)] = []
        UnicodeText.forEach(UnicodeData.combiningClasses) { value, range in
            for code in range { classes.append((UInt64(code), UInt32(value))) }
        }
        var parts: [UInt32] = []
        var decompositions: [(UInt64, UInt32)] = []
        UnicodeText.forEach(UnicodeData.decompositions) { code, part in
            if decompositions.last?.0 == UInt64(code) {
                decompositions[decompositions.count - 1].1 += 1
            } else {
                decompositions.append((UInt64(code), UInt32(parts.count) << 8 | 1))
            }
            parts.append(UInt32(part.lowerBound))
        }
        var compositions: [(UInt64, UInt32)] = []
        var first: UInt64?
        UnicodeText.forEach(UnicodeData.compositions) { code, part in
            if let head = first {
                compositions.append((head << 32 | UInt64(part.lowerBound), UInt32(code)))
                first = nil
            } else {
                first = UInt64(part.lowerBound)
            }
        }
        self.classes = ScalarMap(classes)
        self.decompositions = ScalarMap(decompositions)
        self.parts = parts
        self.compositions = ScalarMap(compositions)
    }

    func combiningClass(_ scalar: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: classes[UInt64(scalar)] ?? 0) }

    func decompose(_ scalar: UInt32, _ body: (UInt32) -> Void) {
        let syllable = scalar &- 0xAC00
        if syllable < 11172 {
            body(0x1100 + syllable / 588)
            body(0x1161 + syllable % 588 / 28)
            if syllable % 28 != 0 { body(0x11A7 + syllable % 28) }
        } else if scalar >= 0xC0, let place = decompositions[UInt64(scalar)] {
            for index in 0..<Int(place & 0xFF) { body(parts[Int(place >> 8) + index]) }
        } else {
            body(scalar)
        }
    }

    func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= 0x1100 && first < 0x1113 && second >= 0x1161 && second < 0x1176 {
            return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
        }
        if first >= 0xAC00 && first < 0xD7A4 && (first - 0xAC00) % 28 == 0 && second > 0x11A7 && second < 0x11C3 {
            return first + (second - 0x11A7)
        }
        return compositions[UInt64(first) << 32 | UInt64(second)]
    }
}

/// Turns spans of scalars into normal form C.
struct Composer: Sendable {
    private struct Part { var scalar: UInt32; var combining: UInt8 }

    private let tables = CompositionTables.shared
    private var parts: [Part] = []

    /// Replaces `scalars` by their normal form; false when they were in it already.
    /// - Complexity: O(n log n) in the longest run of combining marks, O(n) otherwise.
    mutating func normalize(_ scalars: inout [UInt32]) -> Bool {
        parts.removeAll(keepingCapacity: true)
        for scalar in scalars {
            tables.decompose(scalar) { parts.append(Part(scalar: $0, combining: tables.combiningClass($0))) }
        }
        reorder()
        compose()
        if parts.count == scalars.count, zip(parts, scalars).allSatisfy({ $0.scalar == $1 }) { return false }
        scalars.removeAll(keepingCapacity: true)
        for part in parts { scalars.append(part.scalar) }
        return true
    }

    /// Sorts every run of non-starters by combining class, keeping equals in order.
    private mutating func reorder() {
        var start = 0
        while start < parts.count {
            guard parts[start].combining != 0 else {
                start += 1
                continue
            }
            var end = start
            var isSorted = true
            while end < parts.count && parts[end].combining != 0 {
                if end > start && parts[end - 1].combining > parts[end].combining { isSorted = false }
                end += 1
            }
            if !isSorted {
                let sorted = parts[start..<end].enumerated()
                    .sorted { ($0.element.combining, $0.offset) < ($1.element.combining, $1.offset) }
                    .map(\.element)
                parts.replaceSubrange(start..<end, with: sorted)
            }
            start = end
        }
    }

    private mutating func compose() {
        var count = 0
        var starter = -1
        var lastClass: UInt8 = 0
        for index in parts.indices {
            let part = parts[index]
            // A mark composes with the starter unless something of its class or higher stands between.
            let isReachable = starter >= 0 && (starter == count - 1 || (lastClass != 0 && lastClass < part.combining))
            if isReachable, let joined = tables.compose(parts[starter].scalar, part.scalar) {
                parts[starter].scalar = joined
                continue
            }
            if part.combining == 0 { starter = count }
            lastClass = part.combining
            parts[count] = part
            count += 1
        }
        parts.removeLast(parts.count - count)
    }
}

/// A read-only hash table over scalars or pairs of them.
private struct ScalarMap: Sendable {
    private var keys: [UInt64]
    private var values: [UInt32]
    private let shift: UInt64

    init(_ entries: [(UInt64, UInt32)]) {
        var bits: UInt64 = 4
        while 1 << bits < entries.count * 2 { bits += 1 }
        shift = 64 - bits
        keys = Array(repeating: .max, count: 1 << bits)
        values = Array(repeating: 0, count: 1 << bits)
        for (key, value) in entries {
            var slot = place(key)
            while keys[slot] != .max { slot = (slot + 1) & (keys.count - 1) }
            keys[slot] = key
            values[slot] = value
        }
    }

    private func place(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift) }

    subscript(_ key: UInt64) -> UInt32? {
        var slot = place(key)
        while keys[slot] != key {
            if keys[slot] == .max { return nil }
            slot = (slot + 1) & (keys.count - 1)
        }
        return values[slot]
    }
}
