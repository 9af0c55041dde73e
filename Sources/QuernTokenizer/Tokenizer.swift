// Text to token ids and back.
//
// Pipeline, as in the reference: added tokens are cut out of the raw text (on request), every segment between them is
// normalised and cut into pieces, every piece is merged. Invariants: tables are immutable and shared by threads; tables
// are keyed by bytes; text never becomes a special token unless `parseSpecial` says so.

public struct Tokenizer: Sendable {
    public let definition: TokenizerDefinition
    private let bpe: BPE
    private let preTokenizer: PreTokenizer
    private let addedTokens: AddedTokens
    /// Token bytes → id, normal tokens first.
    private let ids: [[UInt8]: TokenID]

    public init(_ definition: TokenizerDefinition) throws(TokenizerError) {
        try definition.validate()
        var ids: [[UInt8]: TokenID] = [:]
        ids.reserveCapacity(definition.tokens.count)
        var initial = [TokenID](repeating: -1, count: 256)
        for (index, bytes) in definition.tokens.enumerated() {
            let kind = definition.kinds[index]
            guard kind != .unused else { continue }
            if ids[bytes] == nil || kind == .normal { ids[bytes] = TokenID(index) }
            // A byte may exist only as an added token; a control token never stands for text.
            if bytes.count == 1, kind == .normal || (kind == .added && initial[Int(bytes[0])] < 0) {
                initial[Int(bytes[0])] = TokenID(index)
            }
        }
        self.definition = definition
        self.ids = ids
        bpe = BPE(pairs: PairTable(definition.merges), initial: initial)
        preTokenizer = PreTokenizer(definition.preTokenizer)
        addedTokens = AddedTokens(definition)
    }

    /// Number of ids, holes included.
    public var vocabularyCount: Int { definition.tokens.count }
    public var bosTokenID: TokenID? { definition.bosTokenID }
    public var eosTokenID: TokenID? { definition.eosTokenID }
    public var addsBOS: Bool { definition.addsBOS }

    /// The ids of `text`, without BOS.
    ///
    /// - Parameter parseSpecial: recognise spellings of added tokens in the text. Leave it off for text from users.
    public func encode(_ text: String, parseSpecial: Bool = false) -> [TokenID] {
        var tokens: [TokenID] = []
        var text = text
        text.withUTF8 { encode(utf8: $0, parseSpecial: parseSpecial, into: &tokens) }
        return tokens
    }

    /// Appends the ids of UTF-8 bytes. Invalid bytes are encoded one by one and decode to themselves.
    /// - Complexity: O(n log n) in the longest piece, O(n) otherwise.
    public func encode(utf8 text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool, into tokens: inout [TokenID]) {
        var scratch = BPE.Scratch()
        tokens.reserveCapacity(tokens.count + text.count / 3)
        var start = 0
        while parseSpecial, let (range, id) = addedTokens.next(text, from: start) {
            encodeSegment(UnsafeBufferPointer(rebasing: text[start..<range.lowerBound]), &scratch, &tokens)
            tokens.append(id)
            start = range.upperBound
        }
        encodeSegment(UnsafeBufferPointer(rebasing: text[start...]), &scratch, &tokens)
    }

    private func encodeSegment(
        _ segment: UnsafeBufferPointer<UInt8>, _ scratch: inout BPE.Scratch, _ tokens: inout [TokenID]
    ) {
        guard !segment.isEmpty else { return }
        if definition.normalizer == .nfc, let normal = Normalizer.nfc(segment) {
            normal.withUnsafeBufferPointer { encodePieces($0, &scratch, &tokens) }
        } else {
            encodePieces(segment, &scratch, &tokens)
        }
    }

    private func encodePieces(
        _ segment: UnsafeBufferPointer<UInt8>, _ scratch: inout BPE.Scratch, _ tokens: inout [TokenID]
    ) {
        preTokenizer.forEachPiece(segment) { range in
            let piece = UnsafeBufferPointer(rebasing: segment[range])
            if definition.ignoresMerges, let id = ids[Array(piece)], definition.kinds[Int(id)] == .normal {
                tokens.append(id)
            } else {
                bpe.encode(piece, scratch: &scratch, into: &tokens)
            }
        }
    }

    /// The bytes of a token; nil for ids outside the vocabulary.
    public func bytes(of token: TokenID) -> [UInt8]? {
        guard token >= 0, Int(token) < definition.tokens.count else { return nil }
        return definition.tokens[Int(token)]
    }

    /// The token with exactly these bytes.
    public func token(spelled text: String) -> TokenID? { ids[Array(text.utf8)] }

    /// A control token, which `skipSpecialTokens` leaves out.
    public func isSpecial(_ token: TokenID) -> Bool {
        token >= 0 && Int(token) < definition.kinds.count && definition.kinds[Int(token)] == .special
    }

    /// The bytes the tokens stand for.
    ///
    /// - Throws: when an id is outside the vocabulary, with its index.
    public func decode(_ tokens: [TokenID], skipSpecialTokens: Bool = false) throws(TokenizerError) -> [UInt8] {
        var out: [UInt8] = []
        for (index, token) in tokens.enumerated() {
            guard let bytes = bytes(of: token) else {
                throw TokenizerError(
                    field: "/tokens/\(index)", detail: "is \(token), allowed is 0...\(definition.tokens.count - 1)")
            }
            if skipSpecialTokens && isSpecial(token) { continue }
            out += bytes
        }
        return out
    }

    /// A streaming decoder for one completion.
    public func makeDetokenizer(skipSpecialTokens: Bool = true) -> Detokenizer {
        Detokenizer(tokenizer: self, skipsSpecialTokens: skipSpecialTokens)
    }
}
