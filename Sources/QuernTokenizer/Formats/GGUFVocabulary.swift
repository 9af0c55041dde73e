// A tokenizer as GGUF metadata carries it: arrays of spelled tokens, types and merges.

/// The `tokenizer.ggml.*` values, not yet interpreted.
public struct GGUFVocabulary: Sendable {
    /// `tokenizer.ggml.model`; `gpt2` means byte-level BPE.
    public var model: String
    /// `tokenizer.ggml.pre`.
    public var pre: String?
    public var tokens: [[UInt8]]
    /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; empty when absent.
    public var tokenTypes: [Int32]
    public var merges: [[UInt8]]
    public var bosTokenID: TokenID?
    public var eosTokenID: TokenID?
    public var padTokenID: TokenID?
    public var addsBOS: Bool

    public init(
        model: String, pre: String?, tokens: [[UInt8]], tokenTypes: [Int32], merges: [[UInt8]], bosTokenID: TokenID?,
        eosTokenID: TokenID?, padTokenID: TokenID?, addsBOS: Bool
    ) {
        self.model = model
        self.pre = pre
        self.tokens = tokens
        self.tokenTypes = tokenTypes
        self.merges = merges
        self.bosTokenID = bosTokenID
        self.eosTokenID = eosTokenID
        self.padTokenID = padTokenID
        self.addsBOS = addsBOS
    }
}

extension TokenizerDefinition {
    public init(gguf: GGUFVocabulary) throws(TokenizerError) {
        self.init()
        guard gguf.model == "gpt2" else {
            throw TokenizerError(
                field: "tokenizer.ggml.model", detail: "is \"\(gguf.model.prefix(64))\"; supported: gpt2 (byte-level BPE)")
        }
        guard let pre = gguf.pre else {
            throw TokenizerError(field: "tokenizer.ggml.pre", detail: "is missing, so the split pattern is unknown")
        }
        preTokenizer = try SplitPattern.kind(ggufName: pre)
        // GGUF does not record the normalizer; it belongs to the Qwen families' tokenizers.
        normalizer = preTokenizer == .qwen2 || preTokenizer == .qwen35 ? .nfc : .none
        ignoresMerges = preTokenizer == .llama3
        guard gguf.tokens.count <= Limits.tokens else {
            throw TokenizerError(field: "tokenizer.ggml.tokens", detail: "has \(gguf.tokens.count), the limit is \(Limits.tokens)")
        }
        guard gguf.tokenTypes.isEmpty || gguf.tokenTypes.count == gguf.tokens.count else {
            throw TokenizerError(
                field: "tokenizer.ggml.token_type", detail: "has \(gguf.tokenTypes.count) entries for \(gguf.tokens.count) tokens")
        }
        var bytes: [UInt8] = []
        for (index, spelled) in gguf.tokens.enumerated() {
            let type = gguf.tokenTypes.isEmpty ? 1 : gguf.tokenTypes[index]
            let kind: TokenKind
            switch type {
            case 1: kind = .normal
            case 2, 3: kind = .special
            case 4: kind = .added
            case 5: kind = .unused
            default:
                throw TokenizerError(
                    field: "tokenizer.ggml.token_type", detail: "entry \(index) is \(type); byte-level BPE has types 1 to 5")
            }
            guard !spelled.isEmpty || kind == .unused else {
                throw TokenizerError(field: "tokenizer.ggml.tokens", detail: "token \(index) is empty")
            }
            kinds.append(kind)
            bytes.removeAll(keepingCapacity: true)
            if kind != .normal || !ByteLevel.decode(spelled, into: &bytes) { bytes = spelled }
            tokens.append(bytes)
        }
        var builder = MergeBuilder(tokens: tokens, kinds: kinds)
        merges.reserveCapacity(gguf.merges.count)
        for (index, text) in gguf.merges.enumerated() {
            merges.append(try Self.merge(text, index, &builder))
        }
        bosTokenID = gguf.bosTokenID
        eosTokenID = gguf.eosTokenID
        padTokenID = gguf.padTokenID
        addsBOS = gguf.addsBOS && gguf.bosTokenID != nil
        try validate()
    }

    private static func merge(_ text: [UInt8], _ index: Int, _ builder: inout MergeBuilder) throws(TokenizerError) -> Merge {
        try text.withUnsafeBufferPointer { bytes throws(TokenizerError) in try builder.merge(bytes, index: index) }
    }
}
