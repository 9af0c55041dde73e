// Token ids to text, as they come.
//
// Invariants: never half a scalar; an incomplete character at the end is held back (at most three bytes); bytes that can
// never become a character turn into U+FFFD, one per maximal subpart; all pieces together equal the whole decoded at once.

public struct Detokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    private var held: [UInt8] = []

    init(tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipsSpecialTokens = skipsSpecialTokens
    }

    /// The text that `token` completes; empty while a character is incomplete. Ids outside the vocabulary add nothing.
    public mutating func append(_ token: TokenID) -> String {
        guard let bytes = tokenizer.bytes(of: token), !(skipsSpecialTokens && tokenizer.isSpecial(token)) else { return "" }
        held += bytes
        let ready = held.count - incompleteTail(held)
        defer { held.removeFirst(ready) }
        return String(decoding: held[..<ready], as: UTF8.self)
    }

    /// What is left at the end: U+FFFD for an incomplete character.
    public mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }
}

/// Number of bytes at the end that are the beginning of a character and could still be completed.
private func incompleteTail(_ bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
        let first = bytes[bytes.count - length]
        if first & 0xC0 == 0x80 { continue }
        let expected: Int
        switch first {
        case 0xC2...0xDF: expected = 2
        case 0xE0...0xEF: expected = 3
        case 0xF0...0xF4: expected = 4
        default: return 0
        }
        guard length < expected else { return 0 }
        guard length > 1 else { return 1 }
        let second = bytes[bytes.count - length + 1]
        switch first {
        case 0xE0: return second >= 0xA0 ? length : 0
        case 0xED: return second < 0xA0 ? length : 0
        case 0xF0: return second >= 0x90 ? length : 0
        case 0xF4: return second < 0x90 ? length : 0
        default: return length
        }
    }
    return 0
}
