// From merges spelled as text to merges of token ids.

struct MergeBuilder {
    private let ids: TokenIndex
    private var pair: [UInt8] = []

    init(tokens: TokenList, kinds: [TokenKind]) { ids = TokenIndex(tokens, kinds: kinds) }

    /// "left right" in the byte alphabet, split at its one space; spelled tokens contain none.
    mutating func merge(_ text: UnsafeBufferPointer<UInt8>, index: Int) throws(TokenizerError) -> Merge {
        guard let space = text.firstIndex(of: 0x20), space > 0, space < text.count - 1, !text[(space + 1)...].contains(0x20)
        else { throw TokenizerError(field: "merge \(index)", detail: "is not a pair of tokens") }
        return try merge(
            UnsafeBufferPointer(rebasing: text[..<space]), UnsafeBufferPointer(rebasing: text[(space + 1)...]), index: index)
    }

    mutating func merge(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>, index: Int
    ) throws(TokenizerError) -> Merge {
        pair.removeAll(keepingCapacity: true)
        guard ByteLevel.decode(left, into: &pair) else { throw Self.misspelled(index) }
        let middle = pair.count
        guard ByteLevel.decode(right, into: &pair) else { throw Self.misspelled(index) }
        let found = pair.withUnsafeBufferPointer { bytes in
            (
                ids[UnsafeBufferPointer(rebasing: bytes[..<middle])], ids[UnsafeBufferPointer(rebasing: bytes[middle...])],
                ids[bytes]
            )
        }
        guard let first = found.0, let second = found.1, let result = found.2 else {
            throw TokenizerError(field: "merge \(index)", detail: "names a token, or makes one, that the vocabulary lacks")
        }
        return Merge(left: first, right: second, result: result)
    }

    private static func misspelled(_ index: Int) -> TokenizerError {
        TokenizerError(field: "merge \(index)", detail: "is not spelled in the byte alphabet")
    }
}
