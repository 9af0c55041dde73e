// Characters that may enter merging whole, as their token, instead of byte by byte.
//
// A character's bytes merge into its token before anything else can happen to them when every rule that would join one of
// its proper prefixes or suffixes to a neighbour ranks later than the rules that make the character. Merges within disjoint
// spans commute, so starting from the finished character then gives the same encoding with a third of the steps. Many
// Cyrillic letters only qualify away from a preceding space, because " \xD0" merges early. Invariant: an entry exists only
// where the argument holds; everything else starts from bytes.

struct CharacterTokens: @unchecked Sendable {
    private let slab = Slab<UInt32>(0x11000)
    /// Holds only after a byte that is not ASCII.
    private static let afterHighByte: UInt32 = 1 << 31

    /// - Parameter entries: code point and entry by turns, as `entries` gives them.
    init(_ entries: [UInt32]) {
        for index in stride(from: 0, to: entries.count, by: 2) {
            if let place = Self.place(entries[index]) { slab.base[place] = entries[index + 1] }
        }
    }

    /// Code points below U+10000, then U+1F000...U+1FFFF.
    @inline(__always) static func place(_ scalar: UInt32) -> Int? {
        if scalar < 0x10000 { return Int(scalar) }
        return scalar >> 12 == 0x1F ? Int(scalar - 0x1F000 + 0x10000) : nil
    }

    /// An entry is the token + 1, and whether it holds after ASCII. By `place`, 0 where there is none.
    var entries: UnsafePointer<UInt32> { UnsafePointer(slab.base) }

    @inline(__always) static func token(of entry: UInt32) -> TokenID { TokenID(truncatingIfNeeded: entry & 0x7FFF_FFFF) &- 1 }

    /// Code point and entry by turns, for every character that qualifies.
    static func entries(_ definition: TokenizerDefinition, initial: [TokenID], pairs: PairTable) -> [UInt32] {
        let crossings = Crossings(definition)
        let tokens = definition.tokens
        var entries: [UInt32] = []
        tokens.bytes.withUnsafeBufferPointer { bytes in
            for id in tokens.indices where definition.kinds[id] == .normal {
                let token = UnsafeBufferPointer(rebasing: bytes[tokens.range(id)])
                guard (2...4).contains(token.count), token[0] >= 0xC2 else { continue }
                let scalar = decodeScalar(token, at: 0)
                guard scalar.isValid, scalar.length == token.count, place(scalar.value) != nil else { continue }
                let parts = CharacterParts(token, initial: initial, pairs: pairs)
                guard parts.token == TokenID(id) else { continue }
                let left = crossings.earliest(prefixes: parts.prefixes)
                guard parts.lastRank < min(left.afterHighByte, crossings.earliest(suffixes: parts.suffixes)) else { continue }
                entries.append(scalar.value)
                entries.append(UInt32(id + 1) | (parts.lastRank < left.afterASCII ? 0 : afterHighByte))
            }
        }
        return entries
    }
}

/// How one character's bytes merge on their own.
private struct CharacterParts {
    /// What they become; nil when more than one token is left.
    private(set) var token: TokenID?
    /// The latest rule used.
    private(set) var lastRank: UInt32 = 0
    /// Tokens of its proper prefixes and suffixes.
    private(set) var prefixes: [TokenID] = []
    private(set) var suffixes: [TokenID] = []

    init(_ bytes: UnsafeBufferPointer<UInt8>, initial: [TokenID], pairs: PairTable) {
        guard bytes.allSatisfy({ initial[Int($0)] >= 0 }) else { return }
        var symbols = bytes.map { initial[Int($0)] }
        prefixes = Self.spans(symbols, pairs)
        suffixes = Self.spans(symbols.reversed(), pairs, isReversed: true)
        while symbols.count > 1 {
            let ranks = (1..<symbols.count).map { pairs.rank(symbols[$0 - 1], symbols[$0]) }
            guard let best = ranks.min(), best != PairTable.none, let place = ranks.firstIndex(of: best) else { return }
            lastRank = max(lastRank, best)
            symbols[place] = pairs.result(best)
            symbols.remove(at: place + 1)
        }
        token = symbols[0]
    }

    /// Every token that can stand for the first bytes, short of all of them.
    private static func spans(_ symbols: [TokenID], _ pairs: PairTable, isReversed: Bool = false) -> [TokenID] {
        func join(_ a: TokenID, _ b: TokenID) -> TokenID? {
            let rank = isReversed ? pairs.rank(b, a) : pairs.rank(a, b)
            return rank == PairTable.none ? nil : pairs.result(rank)
        }
        var spans = [symbols[0]]
        if symbols.count > 2, let two = join(symbols[0], symbols[1]) { spans.append(two) }
        if symbols.count > 3 {
            spans += [
                join(symbols[0], symbols[1]).flatMap { join($0, symbols[2]) },
                join(symbols[1], symbols[2]).flatMap { join(symbols[0], $0) },
            ].compactMap { $0 }
        }
        return spans
    }
}

/// For every token that is part of a character: the earliest rule that joins it to something beyond that character.
private struct Crossings {
    private var afterHighByte: [TokenID: UInt32] = [:]
    private var afterASCII: [TokenID: UInt32] = [:]
    private var before: [TokenID: UInt32] = [:]

    init(_ definition: TokenizerDefinition) {
        let tokens = definition.tokens
        // Per token: 1 begins a character it does not finish, 2 is the end of one, 4 begins within one, 8 ends in ASCII.
        let traits = tokens.bytes.withUnsafeBufferPointer { bytes in
            tokens.indices.map { id -> UInt8 in
                let range = tokens.range(id)
                guard !range.isEmpty else { return 0 }
                let first = bytes[range.lowerBound]
                var traits: UInt8 = bytes[range.upperBound - 1] < 0x80 ? 8 : 0
                if first & 0xC0 == 0x80 { traits |= 4 }
                if range.count > 3 { return traits }
                let needed = first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
                if needed > range.count { traits |= 1 }
                if bytes[range].allSatisfy({ $0 & 0xC0 == 0x80 }) { traits |= 2 }
                return traits
            }
        }
        for (rank, merge) in definition.merges.enumerated() {
            let left = traits[Int(merge.left)]
            let right = traits[Int(merge.right)]
            if right & 1 != 0 {
                if left & 8 != 0 { Self.note(merge.right, rank, &afterASCII) } else { Self.note(merge.right, rank, &afterHighByte) }
            }
            if left & 2 != 0 && right & 4 == 0 { Self.note(merge.left, rank, &before) }
        }
    }

    private static func note(_ token: TokenID, _ rank: Int, _ table: inout [TokenID: UInt32]) {
        // Ranks ascend: the first is the earliest.
        if table[token] == nil { table[token] = UInt32(rank) }
    }

    func earliest(prefixes: [TokenID]) -> (afterHighByte: UInt32, afterASCII: UInt32) {
        let high = prefixes.compactMap { afterHighByte[$0] }.min() ?? .max
        let ascii = prefixes.compactMap { afterASCII[$0] }.min() ?? .max
        return (high, ascii)
    }

    func earliest(suffixes: [TokenID]) -> UInt32 { suffixes.compactMap { before[$0] }.min() ?? .max }
}
