// A tokenizer as plain data: what every source format is read into and what an archive stores.
//
// Owns: the data and its consistency. Does not own: tables for encoding (Tokenizer). Invariant after `validate`: ids are
// dense, merges name existing tokens that are not special, and every size lies within the limits.

/// Index into the vocabulary.
public typealias TokenID = Int32

public enum TokenKind: UInt8, Sendable {
    case normal
    /// Matched in text as a whole, kept when special tokens are skipped (such as `<think>`).
    case added
    /// A control token: matched only on request, skipped on request.
    case special
    /// A hole in the vocabulary; never produced.
    case unused
}

/// Two adjacent tokens that become one. Earlier merges win.
public struct Merge: Sendable, Equatable {
    public var left: TokenID
    public var right: TokenID
    public var result: TokenID

    public init(left: TokenID, right: TokenID, result: TokenID) {
        self.left = left
        self.right = right
        self.result = result
    }
}

/// How text is cut before merging; names follow llama.cpp's `tokenizer.ggml.pre` where it has one.
public enum PreTokenizerKind: UInt8, Sendable, CaseIterable {
    case qwen2
    case qwen35
    case llama3
    case gpt2
    case smollm2
}

public enum NormalizerKind: UInt8, Sendable {
    case none
    case nfc
}

public struct TokenizerDefinition: Sendable, Equatable {
    /// Raw bytes of every token; added tokens as UTF-8.
    public var tokens: [[UInt8]] = []
    public var kinds: [TokenKind] = []
    public var merges: [Merge] = []
    public var preTokenizer = PreTokenizerKind.qwen2
    public var normalizer = NormalizerKind.none
    /// A pre-token that is a token is not merged (Llama 3).
    public var ignoresMerges = false
    public var bosTokenID: TokenID?
    public var eosTokenID: TokenID?
    public var padTokenID: TokenID?
    /// Prompts start with the beginning-of-sequence token.
    public var addsBOS = false

    public enum Limits {
        public static let tokens = 1 << 21
        public static let tokenBytes = 64 << 10
        public static let merges = 4 << 20
    }

    init() {}

    func validate() throws(TokenizerError) {
        func require(_ condition: Bool, _ field: String, _ detail: @autoclosure () -> String) throws(TokenizerError) {
            if !condition { throw TokenizerError(field: field, detail: detail()) }
        }
        try require(!tokens.isEmpty && tokens.count <= Limits.tokens, "vocabulary", "has \(tokens.count) tokens, allowed is 1...\(Limits.tokens)")
        try require(tokens.count == kinds.count, "vocabulary", "has \(kinds.count) kinds for \(tokens.count) tokens")
        try require(merges.count <= Limits.merges, "merges", "has \(merges.count), the limit is \(Limits.merges)")
        for (index, token) in tokens.enumerated() {
            try require(token.count <= Limits.tokenBytes, "token \(index)", "has \(token.count) bytes, the limit is \(Limits.tokenBytes)")
            try require(!token.isEmpty || kinds[index] == .unused, "token \(index)", "is empty")
        }
        let ids = 0..<TokenID(tokens.count)
        for (index, merge) in merges.enumerated() {
            try require(
                ids.contains(merge.left) && ids.contains(merge.right) && ids.contains(merge.result), "merge \(index)",
                "names a token outside the vocabulary")
            try require(
                [merge.left, merge.right, merge.result].allSatisfy { kinds[Int($0)] != .special && kinds[Int($0)] != .unused },
                "merge \(index)", "involves a special token, which text must never become")
            let left = tokens[Int(merge.left)]
            let right = tokens[Int(merge.right)]
            let result = tokens[Int(merge.result)]
            try require(
                result.count == left.count + right.count && result.starts(with: left) && result.suffix(right.count).elementsEqual(right),
                "merge \(index)", "does not concatenate its parts")
        }
        for (name, token) in [("bos", bosTokenID), ("eos", eosTokenID), ("pad", padTokenID)] {
            if let token { try require(ids.contains(token), "\(name) token", "is \(token), the vocabulary has \(tokens.count)") }
        }
    }
}
