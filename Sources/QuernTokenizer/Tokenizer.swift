// Text to token ids and back: the library's entry point.
//
// Pipeline, as in the reference: added tokens are cut out of the raw text (on request), every segment between them is
// normalised and cut into pieces, every piece is merged. Invariants: tables are immutable and shared by threads, any number
// of which may encode at once; tables are keyed by bytes; text never becomes a special token unless the caller says so.

/// A byte-level BPE tokenizer: the Qwen families, Llama 3, GPT-2 and SmolLM2, exactly as Hugging Face tokenizers encodes
/// (with the normal form of current Unicode; its version 0.23 has the tables of Unicode 9).
///
///     let tokenizer = try Tokenizer(TokenizerDefinition(tokenizerJSON: bytes))
///     let ids = tokenizer.encode("Hello world")
///     let text = String(decoding: try tokenizer.decode(ids), as: UTF8.self)
public struct Tokenizer: Sendable {
    private let tables: EncodingTables
    private let encoders: EncoderPool

    /// Builds the tables.
    ///
    /// - Parameter cachesSegments: keep whole segments that were encoded (4 MB per thread), which makes the next turn of a
    ///   chat cost only its new text.
    /// - Complexity: O(vocabulary); milliseconds for a definition that was read from a packed model.
    /// - Throws: `TokenizerError` when the definition contradicts itself.
    public init(_ definition: TokenizerDefinition, cachesSegments: Bool = true) throws(TokenizerError) {
        try definition.validate()
        tables = EncodingTables(definition)
        encoders = EncoderPool(tables, cachesSegments: cachesSegments)
    }

    /// Number of ids, holes included.
    public var vocabularyCount: Int { tables.tokens.count }
    public var bosTokenID: TokenID? { tables.bosTokenID }
    public var eosTokenID: TokenID? { tables.eosTokenID }
    public var padTokenID: TokenID? { tables.padTokenID }
    /// Prompts of this model start with `bosTokenID`; `encode` leaves that to the caller.
    public var addsBOS: Bool { tables.addsBOS }

    /// The ids of `text`, without BOS.
    ///
    /// - Parameter parseSpecial: recognise spellings of added tokens in the text. Leave it off for text from users.
    /// - Complexity: O(n), whatever the text; see `encode(utf8:parseSpecial:into:)`.
    public func encode(_ text: String, parseSpecial: Bool = false) -> [TokenID] {
        var text = text
        return text.withUTF8 { bytes in
            encoders.withEncoder { encoder in
                encoder.encode(bytes, trusted: parseSpecial ? [0..<bytes.count] : [])
                return Array(encoder.output.ids)
            }
        }
    }

    /// Appends the ids of UTF-8 bytes. Invalid bytes are encoded one by one and decode to themselves.
    ///
    /// - Complexity: O(n). Only where a merge list ranks a token before its parts (none of the public ones above does, but
    ///   Llama 3's repeats tokens) is it O(n log n) in the longest word.
    public func encode(utf8 text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool, into tokens: inout [TokenID]) {
        encoders.withEncoder { encoder in
            encoder.encode(text, trusted: parseSpecial ? [0..<text.count] : [])
            tokens.append(contentsOf: encoder.output.ids)
        }
    }

    /// How many ids `encode` would give, without building the list.
    public func count(utf8 text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool) -> Int {
        encoders.withEncoder { encoder in
            encoder.encode(text, trusted: parseSpecial ? [0..<text.count] : [])
            return encoder.output.count
        }
    }

    /// The ids of a text put together from parts, as if it were encoded at once, except that added tokens are recognised
    /// only where they lie wholly within adjacent parts that may hold them. This is how a rendered chat is encoded: a
    /// template's own text names control tokens, what a user wrote never becomes one.
    public func encode(_ parts: [TextPart]) -> [TokenID] {
        var bytes: [UInt8] = []
        var trusted: [Range<Int>] = []
        for part in parts {
            let start = bytes.count
            bytes.append(contentsOf: part.text.utf8)
            guard part.parsesSpecial, bytes.count > start else { continue }
            if let last = trusted.last, last.upperBound == start {
                trusted[trusted.count - 1] = last.lowerBound..<bytes.count
            } else {
                trusted.append(start..<bytes.count)
            }
        }
        return bytes.withUnsafeBufferPointer { text in
            encoders.withEncoder { encoder in
                encoder.encode(text, trusted: trusted)
                return Array(encoder.output.ids)
            }
        }
    }

    /// Where `text`, the beginning of a longer one, may be cut so that both sides encode as they would together: the
    /// last such place, nil when there is none.
    public func lastCut(in text: UnsafeBufferPointer<UInt8>) -> Int? {
        tables.addedTokens.spansLines ? nil : TextCut.last(in: text, before: text.count)
    }

    /// The bytes of a token; nil for ids outside the vocabulary.
    public func bytes(of token: TokenID) -> ArraySlice<UInt8>? {
        guard token >= 0, Int(token) < tables.tokens.count else { return nil }
        return tables.tokens[Int(token)]
    }

    /// The token with exactly these bytes, a normal one if there is a choice.
    /// - Complexity: O(vocabulary).
    public func token(spelled text: String) -> TokenID? {
        let bytes = Array(text.utf8)
        let found = tables.tokens.indices.filter { tables.kinds[$0] != .unused && tables.tokens[$0].elementsEqual(bytes) }
        return (found.first { tables.kinds[$0] == .normal } ?? found.first).map { TokenID($0) }
    }

    /// What a token is for; nil for ids outside the vocabulary.
    public func kind(of token: TokenID) -> TokenKind? {
        guard token >= 0, Int(token) < tables.kinds.count else { return nil }
        return tables.kinds[Int(token)]
    }

    /// A control token, which `skipSpecialTokens` leaves out.
    public func isSpecial(_ token: TokenID) -> Bool {
        kind(of: token) == .special
    }

    /// The bytes the tokens stand for.
    ///
    /// - Throws: when an id is outside the vocabulary, with its index.
    public func decode(_ tokens: [TokenID], skipSpecialTokens: Bool = false) throws(TokenizerError) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(tokens.count * 4)
        for (index, token) in tokens.enumerated() {
            guard let bytes = bytes(of: token) else {
                throw TokenizerError(
                    field: "/tokens/\(index)", detail: "is \(token), allowed is 0...\(tables.tokens.count - 1)")
            }
            if skipSpecialTokens && isSpecial(token) { continue }
            out.append(contentsOf: bytes)
        }
        return out
    }

    /// A streaming decoder for one completion.
    public func makeDetokenizer(skipSpecialTokens: Bool = true) -> Detokenizer {
        Detokenizer(tokenizer: self, skipsSpecialTokens: skipSpecialTokens)
    }
}

/// A part of a prompt; see `Tokenizer.encode(_:)`.
public struct TextPart: Sendable {
    public var text: String
    /// Spellings of added tokens in the text become those tokens.
    public var parsesSpecial: Bool

    public init(_ text: String, parsesSpecial: Bool) {
        self.text = text
        self.parsesSpecial = parsesSpecial
    }
}
