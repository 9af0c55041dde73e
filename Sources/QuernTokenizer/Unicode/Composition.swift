// Canonical decomposition, ordering and composition (Unicode 16.0, UAX #15).

struct Composition: Sendable {
    static let tables = Composition()

    private let classes: [UInt32: UInt8]
    private let decompositions: [UInt32: [UInt32]]
    private let compositions: [UInt64: UInt32]

    private init() {
        var classes: [UInt32: UInt8] = [:]
        UnicodeText.forEachEntry(UnicodeData.combiningClasses) { value, ranges in
            UnicodeText.forEachRange(ranges) { for code in $0 { classes[UInt32(code)] = UInt8(value) } }
        }
        var decompositions: [UInt32: [UInt32]] = [:]
        UnicodeText.forEachEntry(UnicodeData.decompositions) { decompositions[UInt32($0)] = UnicodeText.scalars($1) }
        var compositions: [UInt64: UInt32] = [:]
        UnicodeText.forEachEntry(UnicodeData.compositions) { code, pair in
            let pair = UnicodeText.scalars(pair)
            compositions[UInt64(pair[0]) << 32 | UInt64(pair[1])] = UInt32(code)
        }
        self.classes = classes
        self.decompositions = decompositions
        self.compositions = compositions
    }

    /// The normal form C of `scalars`.
    /// - Complexity: O(n log n) in the longest run of combining marks, O(n) otherwise.
    func normalize(_ scalars: [UInt32]) -> [UInt32] {
        var decomposed: [(scalar: UInt32, combining: UInt8)] = []
        decomposed.reserveCapacity(scalars.count * 2)
        for scalar in scalars {
            for part in decompose(scalar) { decomposed.append((part, classes[part] ?? 0)) }
        }
        reorder(&decomposed)
        return compose(decomposed)
    }

    private func decompose(_ scalar: UInt32) -> [UInt32] {
        let syllable = Int64(scalar) - 0xAC00
        if syllable >= 0 && syllable < 11172 {
            let parts = [0x1100 + UInt32(syllable / 588), 0x1161 + UInt32(syllable % 588 / 28)]
            return syllable % 28 == 0 ? parts : parts + [0x11A7 + UInt32(syllable % 28)]
        }
        return decompositions[scalar] ?? [scalar]
    }

    /// Sorts every run of non-starters by combining class, keeping equals in order.
    private func reorder(_ list: inout [(scalar: UInt32, combining: UInt8)]) {
        var start = 0
        while start < list.count {
            guard list[start].combining != 0 else {
                start += 1
                continue
            }
            var end = start
            while end < list.count && list[end].combining != 0 { end += 1 }
            if end - start > 1 {
                let sorted = list[start..<end].enumerated()
                    .sorted { ($0.element.combining, $0.offset) < ($1.element.combining, $1.offset) }
                    .map(\.element)
                list.replaceSubrange(start..<end, with: sorted)
            }
            start = end
        }
    }

    private func compose(_ list: [(scalar: UInt32, combining: UInt8)]) -> [UInt32] {
        var out: [UInt32] = []
        out.reserveCapacity(list.count)
        var starter: Int?
        var lastClass: UInt8 = 0
        for (scalar, combining) in list {
            // A mark composes with the starter unless something of its class or higher stands between.
            let isAdjacent = starter == out.count - 1
            if let starter, isAdjacent || (lastClass != 0 && lastClass < combining), let joined = pair(out[starter], scalar) {
                out[starter] = joined
                continue
            }
            if combining == 0 { starter = out.count }
            lastClass = combining
            out.append(scalar)
        }
        return out
    }

    private func pair(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= 0x1100 && first < 0x1113 && second >= 0x1161 && second < 0x1176 {
            return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
        }
        if first >= 0xAC00 && first < 0xD7A4 && (first - 0xAC00) % 28 == 0 && second > 0x11A7 && second < 0x11C3 {
            return first + (second - 0x11A7)
        }
        return compositions[UInt64(first) << 32 | UInt64(second)]
    }
}
