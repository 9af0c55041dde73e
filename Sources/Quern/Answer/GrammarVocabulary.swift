// The tokens a constraint may choose from.
import QuernGrammar
import QuernTokenizer

extension Vocabulary {
    /// Tokens with text; control tokens and holes have none, so that no constraint ever chooses one.
    public convenience init(_ tokenizer: Tokenizer) {
        self.init((0..<TokenID(tokenizer.vocabularyCount)).map { token in
            guard tokenizer.kind(of: token) == .normal || tokenizer.kind(of: token) == .added else { return nil }
            return tokenizer.bytes(of: token).map { [UInt8]($0) }
        })
    }
}
