// What follows from a vocabulary and its merges but takes tens of milliseconds to find out; a packed model stores it.
//
// Invariant: whoever reads it from a file calls `validate`. Facts that are wrong but valid give wrong tokens, never a read
// outside a table.

import CQuernText

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
        var isReachable = [Bool](repeating: false, count: definition.tokens.count)
        let limit = PieceMerger.scanLimit
        var words: [qt_word] = []
        var sources: [Int] = []
        let out = Slab<TokenID>(max(256 * limit, TokenizerDefinition.Limits.tokenBytes))
        var merger = PieceMerger()
        func finish() {
            withUnsafePointer(to: tables.loop) { qt_merge_words($0, &words, words.count) }
            for (word, id) in zip(words, sources) { isReachable[id] = word.count == 1 && word.ids.pointee == TokenID(id) }
            words.removeAll(keepingCapacity: true)
            sources.removeAll(keepingCapacity: true)
        }
        definition.tokens.bytes.withUnsafeBufferPointer { all in
            for id in definition.tokens.indices where definition.kinds[id] == .normal {
                let piece = UnsafeBufferPointer(rebasing: all[definition.tokens.range(id)])
                if piece.count > limit {
                    finish()
                    isReachable[id] = merger.merge(piece, tables, into: out.base) == 1 && out.base[0] == TokenID(id)
                } else {
                    words.append(qt_word(bytes: piece.baseAddress, length: piece.count, ids: out.base + words.count * limit, count: 0))
                    sources.append(id)
                    if words.count == 256 { finish() }
                }
            }
            finish()
        }
        return isReachable
    }

    func validate(_ definition: TokenizerDefinition) throws(TokenizerError) {
        guard isReachable.count == definition.tokens.count,
            // Text never becomes a special token.
            isReachable.indices.allSatisfy({ !isReachable[$0] || definition.kinds[$0] == .normal }), joins.count == JoinFilter.wordCount, characters.count % 2 == 0,
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
