// A tokenizer as plain data: what every source format is read into and what an archive stores.
//
// Owns: the data and its consistency. Does not own: tables for encoding (Tokenizer). Invariant after `validate`: ids are
// dense, merges name existing tokens that are not special, and every size lies within the limits.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

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
public struct Merge: Sendable, Equatable, BitwiseCopyable {
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

public struct TokenizerDefinition: Sendable {
    /// Raw bytes of every token; added tokens as UTF-8.
    public var tokens = TokenList()
    public var kinds: [TokenKind] = []
    /// What compiling found out, when it is known already.
    var compiled: CompiledFacts?
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
        /// Ids fit 21 bits and ranks 22 in the tables' packed entries.
        public static let tokens = (1 << 21) - 1
        public static let tokenBytes = 64 << 10
        public static let bytes = 256 << 20
        public static let merges = (1 << 22) - 2
    }

    init() {}

    func validate() throws(TokenizerError) {
        func require(_ condition: Bool, _ field: @autoclosure () -> String, _ detail: @autoclosure () -> String) throws(TokenizerError) {
            if !condition { throw TokenizerError(field: field(), detail: detail()) }
        }
        try require(!tokens.isEmpty && tokens.count <= Limits.tokens, "vocabulary", "has \(tokens.count) tokens, allowed is 1...\(Limits.tokens)")
        try require(tokens.count == kinds.count, "vocabulary", "has \(kinds.count) kinds for \(tokens.count) tokens")
        try require(tokens.bytes.count <= Limits.bytes, "vocabulary", "has \(tokens.bytes.count) bytes, the limit is \(Limits.bytes)")
        try require(merges.count <= Limits.merges, "merges", "has \(merges.count), the limit is \(Limits.merges)")
        for index in tokens.indices {
            let length = tokens.range(index).count
            try require(length <= Limits.tokenBytes, "token \(index)", "has \(length) bytes, the limit is \(Limits.tokenBytes)")
            try require(length > 0 || kinds[index] == .unused, "token \(index)", "is empty")
        }
        let ids = 0..<TokenID(tokens.count)
        for (index, merge) in merges.enumerated() {
            try require(
                ids.contains(merge.left) && ids.contains(merge.right) && ids.contains(merge.result), "merge \(index)",
                "names a token outside the vocabulary")
            try require(
                isText(merge.left) && isText(merge.right) && isText(merge.result),
                "merge \(index)", "involves a special token, which text must never become")
            try require(isConcatenation(merge), "merge \(index)", "does not concatenate its parts")
        }
        try compiled?.validate(self)
        for (name, token) in [("bos", bosTokenID), ("eos", eosTokenID), ("pad", padTokenID)] {
            if let token { try require(ids.contains(token), "\(name) token", "is \(token), the vocabulary has \(tokens.count)") }
        }
    }
    private func isText(_ id: TokenID) -> Bool { kinds[Int(id)] == .normal || kinds[Int(id)] == .added }

    private func isConcatenation(_ merge: Merge) -> Bool {
        let left = tokens.range(Int(merge.left))
        let right = tokens.range(Int(merge.right))
        let result = tokens.range(Int(merge.result))
        guard result.count == left.count + right.count else { return false }
        return tokens.bytes.withUnsafeBufferPointer { bytes in
            memcmp(bytes.baseAddress! + result.lowerBound, bytes.baseAddress! + left.lowerBound, left.count) == 0
                && memcmp(bytes.baseAddress! + result.lowerBound + left.count, bytes.baseAddress! + right.lowerBound, right.count) == 0
        }
    }
}

extension TokenizerDefinition: Equatable {
    /// Whether both describe the same tokenizer, whatever is already known about them.
    public static func == (a: TokenizerDefinition, b: TokenizerDefinition) -> Bool {
        a.tokens == b.tokens && a.kinds == b.kinds && a.merges == b.merges && a.preTokenizer == b.preTokenizer
            && a.normalizer == b.normalizer && a.ignoresMerges == b.ignoresMerges && a.bosTokenID == b.bosTokenID
            && a.eosTokenID == b.eosTokenID && a.padTokenID == b.padTokenID && a.addsBOS == b.addsBOS
    }
}
