// Token bytes → id, for reading vocabularies: merges are spelled by the bytes of their parts.
//
// Open addressing over ids into a TokenList, so that 150,000 keys cost one allocation. The hash is keyed per process:
// a vocabulary is a file's content and could be made to collide. Invariant: at most half full.

struct TokenIndex {
    private let tokens: TokenList
    private var slots: [TokenID]
    private let seed = UInt64.random(in: 0 ... .max) | 1

    /// Of tokens with equal bytes a normal one is found, else the first.
    init(_ tokens: TokenList, kinds: [TokenKind]) {
        self.tokens = tokens
        var capacity = 16
        while capacity < tokens.count * 2 { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        for id in tokens.indices where kinds[id] != .unused {
            let slot = tokens.bytes.withUnsafeBufferPointer { find(UnsafeBufferPointer(rebasing: $0[tokens.range(id)])) }
            if slots[slot] < 0 || kinds[id] == .normal && kinds[Int(slots[slot])] != .normal { slots[slot] = TokenID(id) }
        }
    }

    subscript(_ bytes: UnsafeBufferPointer<UInt8>) -> TokenID? {
        let id = slots[find(bytes)]
        return id < 0 ? nil : id
    }

    /// The slot that holds `bytes`, or the free one where they belong.
    private func find(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var slot = Int(truncatingIfNeeded: hash(bytes) & UInt64(slots.count - 1))
        while slots[slot] >= 0, !tokens[Int(slots[slot])].elementsEqual(bytes) { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    private func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var state = seed
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return ((state ^ (state >> 32)) &* seed) >> 24
    }
}
