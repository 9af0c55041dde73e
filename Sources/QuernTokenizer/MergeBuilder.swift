// From merges spelled as text to merges of token ids.

struct MergeBuilder {
    private let ids: [[UInt8]: TokenID]

    init(tokens: [[UInt8]], kinds: [TokenKind]) {
        var ids: [[UInt8]: TokenID] = [:]
        ids.reserveCapacity(tokens.count)
        for (index, token) in tokens.enumerated() where kinds[index] != .unused {
            // An added token may repeat a normal one's bytes; merges mean the normal one.
            if ids[token] == nil || kinds[index] == .normal { ids[token] = TokenID(index) }
        }
        self.ids = ids
    }

    /// "left right", split at its one space; spelled tokens contain none.
    static func split(_ text: [UInt8]) -> (some: [UInt8], other: [UInt8])? {
        guard let space = text.firstIndex(of: 0x20), space > 0, space < text.count - 1,
            !text[(space + 1)...].contains(0x20)
        else { return nil }
        return (Array(text[..<space]), Array(text[(space + 1)...]))
    }

    func merge(_ left: [UInt8], _ right: [UInt8], index: Int) throws(TokenizerError) -> Merge {
        guard let a = ByteLevel.decode(left), let b = ByteLevel.decode(right) else {
            throw TokenizerError(field: "merge \(index)", detail: "is not spelled in the byte alphabet")
        }
        guard let first = ids[a], let second = ids[b], let result = ids[a + b] else {
            throw TokenizerError(field: "merge \(index)", detail: "names a token, or makes one, that the vocabulary lacks")
        }
        return Merge(left: first, right: second, result: result)
    }
}
