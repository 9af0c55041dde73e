// Helpers: whether a grammar accepts a text, and a vocabulary to mask.
import QuernGrammar
import QuernJSON

extension Grammar {
    /// A schema from its text, with fixed spacing.
    static func schema(_ json: String) throws -> Grammar {
        .schema(try JSONValue(parsing: Array(json.utf8)), spacing: .fixed, pointer: "")
    }
}

extension Vocabulary {
    /// Every byte, and some longer tokens.
    static let bytes = Vocabulary((0..<256).map { [UInt8($0)] })
}

/// Whether `grammar` allows exactly `text`.
func accepts(_ grammar: Grammar, _ text: String) throws -> Bool {
    var matcher = GrammarMatcher(try CompiledGrammar.compile(grammar, vocabulary: .bytes))
    return matcher.accept(Array(text.utf8)) && matcher.isComplete
}
