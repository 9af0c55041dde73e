// The split patterns this build has a scanner for, as tokenizer.json spells them.

enum SplitPattern {
    private static let known: [(kind: PreTokenizerKind, pattern: String)] = [
        (
            .qwen2,
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        ),
        (
            .qwen35,
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        ),
        (
            .llama3,
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        ),
    ]

    static func kind(of pattern: String) throws(TokenizerError) -> PreTokenizerKind {
        if let match = known.first(where: { $0.pattern == pattern }) { return match.kind }
        throw TokenizerError(
            field: "/pre_tokenizer/pattern",
            detail: "\"\(pattern.prefix(120))\" has no scanner; supported are the patterns of Qwen2, Qwen3.5 and Llama 3")
    }

    /// `tokenizer.ggml.pre` of GGUF files.
    static func kind(ggufName name: String) throws(TokenizerError) -> PreTokenizerKind {
        switch name {
        case "qwen2", "deepseek-r1-qwen": return .qwen2
        case "qwen35": return .qwen35
        case "llama-bpe", "llama3", "llama-v3": return .llama3
        case "gpt-2", "gpt2": return .gpt2
        case "smollm": return .smollm2
        default:
            throw TokenizerError(
                field: "tokenizer.ggml.pre",
                detail: "is \"\(name.prefix(64))\"; supported: qwen2, qwen35, llama-bpe, gpt-2, smollm")
        }
    }
}
