// What follows from a vocabulary and its merges but takes tens of milliseconds to find out; a packed model stores it.
//
// Invariant: whoever reads it from a file calls `validate`. Facts that are wrong but valid give wrong tokens, never a read
// outside a table.

struct CompiledFacts: Sendable {
    /// Per token: it may stand for its bytes wherever they are a piece. Merging gives the token itself (267 entries of
    /// Qwen3.5 are never made that way), or the tokenizer does not merge pieces that are tokens.
    var isReachable: [Bool]
    /// See `CharacterTokens`: code point and entry by turns.
    var characters: [UInt32]
    /// See `JoinFilter`.
    var joins: [UInt64]

    init(isReachable: [Bool], characters: [UInt32], joins: [UInt64]) {
        self.isReachable = isReachable
        self.characters = characters
        self.joins = joins
    }

    init(_ definition: TokenizerDefinition) {
        let initial = EncodingTables.initialTokens(definition)
        self.init(
            definition, initial: initial, pairs: PairTable(definition.merges, initial: initial),
            isOrdered: EncodingTables.isOrdered(definition))
    }

    init(_ definition: TokenizerDefinition, initial: [TokenID], pairs: PairTable, isOrdered: Bool) {
        isReachable = definition.ignoresMerges
            ? definition.kinds.map { $0 == .normal } : Self.reachable(definition, initial: initial, pairs: pairs)
        let startsWithCharacters = isOrdered && !initial.contains { $0 < 0 }
        characters = startsWithCharacters ? CharacterTokens.entries(definition, initial: initial, pairs: pairs) : []
        joins = JoinFilter.bits(definition, cuts: !definition.ignoresMerges)
    }

    private static func reachable(_ definition: TokenizerDefinition, initial: [TokenID], pairs: PairTable) -> [Bool] {
        let tables = MergeTables(pairs, initial: Slab(initial), characters: nil)
        let out = Slab<TokenID>(TokenizerDefinition.Limits.tokenBytes)
        var merger = PieceMerger()
        return definition.tokens.bytes.withUnsafeBufferPointer { all in
            definition.tokens.indices.map { id in
                guard definition.kinds[id] == .normal else { return false }
                let piece = UnsafeBufferPointer(rebasing: all[definition.tokens.range(id)])
                return merger.merge(piece, tables, into: out.base) == 1 && out.base[0] == TokenID(id)
            }
        }
    }

    func validate(_ definition: TokenizerDefinition) throws(TokenizerError) {
        guard isReachable.count == definition.tokens.count, joins.count == JoinFilter.wordCount, characters.count % 2 == 0,
            stride(from: 0, to: characters.count, by: 2).allSatisfy({ isValid(characters[$0], characters[$0 + 1], definition) })
        else { throw TokenizerError(field: "compiled tables", detail: "do not fit the vocabulary; pack the model again") }
    }

    /// The entry's token is spelled as the character: lengths of tokens add up to lengths of text, which windows rely on.
    private func isValid(_ scalar: UInt32, _ entry: UInt32, _ definition: TokenizerDefinition) -> Bool {
        let id = Int(CharacterTokens.token(of: entry))
        guard CharacterTokens.place(scalar) != nil, Unicode.Scalar(scalar) != nil, definition.tokens.indices.contains(id) else {
            return false
        }
        let range = definition.tokens.range(id)
        return definition.tokens.bytes.withUnsafeBufferPointer { bytes in
            guard (2...4).contains(range.count) else { return false }
            let found = decodeScalar(UnsafeBufferPointer(rebasing: bytes[range]), at: 0)
            return found.isValid && found.value == scalar && found.length == range.count
        }
    }
}
