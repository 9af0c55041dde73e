// Everything encoding and decoding read: built once from a definition, then immutable and shared by threads.
//
// Owns the tables and what is known about the merge list. Does not own caches (Encoder). Invariant: every id and rank in
// the tables is within the vocabulary, because the definition was validated; the hot path does not check again.

import CQuernText

final class EncodingTables: @unchecked Sendable {
    let family: qt_family
    let normalizes: Bool
    let ignoresMerges: Bool
    let bosTokenID: TokenID?
    let eosTokenID: TokenID?
    let padTokenID: TokenID?
    let addsBOS: Bool

    let tokens: TokenList
    let kinds: [TokenKind]
    let addedTokens: AddedTokens
    let merges: MergeTables
    private let vocabulary: WordTable
    private let joins: JoinFilter
    /// What qt_encode reads. Its pointers live as long as the tables above.
    let words: UnsafePointer<qt_tables>
    /// Length in bytes by token.
    let lengths: Slab<UInt32>
    /// The vocabulary lacks single bytes (SmolLM2): pieces that hold one have gaps and are merged as a whole.
    let lacksBytes: Bool
    /// Every rule ranks after the rules that make its parts. Then an encoding is valid exactly if each of its adjacent pairs
    /// is, so that text can be encoded window by window (github/rust-gems, crate `bpe`).
    let isOrdered: Bool
    /// With `ignoresMerges`: words too long for `words`, sorted by their bytes.
    private let longWords: [TokenID]

    /// - Parameter definition: validated.
    init(_ definition: TokenizerDefinition) {
        family = definition.preTokenizer.family
        normalizes = definition.normalizer == .nfc
        ignoresMerges = definition.ignoresMerges
        bosTokenID = definition.bosTokenID
        eosTokenID = definition.eosTokenID
        padTokenID = definition.padTokenID
        addsBOS = definition.addsBOS
        tokens = definition.tokens
        kinds = definition.kinds
        addedTokens = AddedTokens(definition)
        let initial = Self.initialTokens(definition)
        lacksBytes = initial.contains { $0 < 0 }
        isOrdered = Self.isOrdered(definition)
        lengths = Slab(tokens.count)
        for id in tokens.indices { lengths.base[id] = UInt32(tokens.range(id).count) }
        let pairs = PairTable(definition.merges, initial: initial)
        let compiled = definition.compiled ?? CompiledFacts(definition, initial: initial, pairs: pairs, isOrdered: isOrdered)
        merges = MergeTables(pairs, initial: Slab(initial), characters: lacksBytes ? nil : CharacterTokens(compiled.characters))
        joins = JoinFilter(compiled.joins)
        vocabulary = WordTable(definition.tokens, isWord: compiled.isReachable)
        let words = UnsafeMutablePointer<qt_tables>.allocate(capacity: 1)
        words.initialize(
            to: qt_tables(
                merges: merges.loop, words: vocabulary.slots.base, word_mask: vocabulary.mask,
                joins: lacksBytes || ignoresMerges ? nil : joins.bits,
                longest: ignoresMerges ? WordTable.maxLength : 64))
        self.words = UnsafePointer(words)
        longWords = ignoresMerges ? Self.longWords(definition) : []
    }

    deinit { words.deallocate() }

    private static func longWords(_ definition: TokenizerDefinition) -> [TokenID] {
        let tokens = definition.tokens
        return tokens.indices
            .filter { definition.kinds[$0] == .normal && tokens.range($0).count > WordTable.maxLength }
            .sorted { tokens[$0].lexicographicallyPrecedes(tokens[$1]) }
            .map { TokenID($0) }
    }

    /// The token spelled exactly so, where a whole piece that is a token is not merged.
    func longWord(_ piece: UnsafeBufferPointer<UInt8>) -> TokenID? {
        var low = 0
        var high = longWords.count
        while low < high {
            let middle = (low + high) / 2
            if tokens[Int(longWords[middle])].lexicographicallyPrecedes(piece) { low = middle + 1 } else { high = middle }
        }
        guard low < longWords.count, tokens[Int(longWords[low])].elementsEqual(piece) else { return nil }
        return longWords[low]
    }

    static func initialTokens(_ definition: TokenizerDefinition) -> [TokenID] {
        var initial = [TokenID](repeating: -1, count: 256)
        for id in definition.tokens.indices where definition.tokens.range(id).count == 1 {
            let byte = Int(definition.tokens[id].first!)
            // A byte may exist only as an added token; a control token never stands for text.
            let kind = definition.kinds[id]
            if kind == .normal || kind == .added && initial[byte] < 0 { initial[byte] = TokenID(id) }
        }
        return initial
    }

    static func isOrdered(_ definition: TokenizerDefinition) -> Bool {
        /// The latest rank at which each token is made.
        var made = [Int32](repeating: -1, count: definition.tokens.count)
        for (rank, merge) in definition.merges.enumerated() { made[Int(merge.result)] = Int32(rank) }
        return definition.merges.enumerated().allSatisfy { rank, merge in
            made[Int(merge.left)] < Int32(rank) && made[Int(merge.right)] < Int32(rank)
        }
    }
}

extension PreTokenizerKind {
    fileprivate var family: qt_family {
        switch self {
        case .qwen2: QT_QWEN2
        case .qwen35: QT_QWEN35
        case .llama3: QT_LLAMA3
        case .gpt2: QT_GPT2
        case .smollm2: QT_SMOLLM2
        }
    }
}
