// The tokens a constraint may choose from.
import QuernGrammar
import QuernTokenizer

extension Vocabulary {
    /// Tokens with text; control tokens and holes have none, so that no constraint ever chooses one.
    public convenience init(_ tokenizer: Tokenizer) {
        let definition = tokenizer.definition
        self.init(zip(definition.tokens, definition.kinds).map { bytes, kind in
            kind == .normal || kind == .added ? bytes : nil
        })
    }
}
