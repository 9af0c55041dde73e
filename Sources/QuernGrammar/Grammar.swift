// What text a constraint allows, as a value: the public face of this library.
//
// Owns: the kinds of constraints and how they combine. Does not own: who asked for them. Compile one with
// `CompiledGrammar.compile` and follow it with a `GrammarMatcher`.
import QuernJSON

public indirect enum Grammar: Sendable, Hashable {
    /// Exactly this text.
    case literal(String)
    /// Any text in which none of these occurs.
    case text(avoiding: [String])
    /// JSON that satisfies a schema of JSON Schema draft 2020-12. `pointer` is where the schema stands, for error messages.
    case schema(JSONValue, spacing: JSONSpacing, pointer: String)
    /// The value of an XML-like parameter, one of the properties of a schema: strings as they are, everything else as JSON.
    case parameter(of: JSONValue, name: String, avoiding: String, pointer: String)
    /// Any JSON object.
    case jsonObject(spacing: JSONSpacing)
    /// Text that a regular expression of ECMA-262 matches as a whole.
    case regex(String)
    /// A grammar in llama.cpp's GBNF, with a rule `root`.
    case gbnf(String)
    case sequence([Grammar])
    case choice([Grammar])
    /// `maximum` nil for any number.
    case repeated(Grammar, minimum: Int, maximum: Int?)

    /// About the memory of the value itself, for a cache's account.
    public var byteCount: Int {
        switch self {
        case .literal(let text), .regex(let text), .gbnf(let text): 64 + text.utf8.count
        case .text(let avoided): 64 + avoided.reduce(0) { $0 + $1.utf8.count }
        case .schema(let schema, _, _), .parameter(let schema, _, _, _): 64 + 4 * schema.serialized().utf8.count
        case .jsonObject: 64
        case .sequence(let parts), .choice(let parts): parts.reduce(64) { $0 + $1.byteCount }
        case .repeated(let part, _, _): 64 + part.byteCount
        }
    }

    /// One of these texts.
    public static func choice(of texts: [String]) -> Grammar { .choice(texts.map(Grammar.literal)) }
}

extension Grammar {
    /// Compiles without a vocabulary; the number of states that takes.
    ///
    /// - Throws: what `CompiledGrammar.compile` would.
    @discardableResult public func check(limits: GrammarLimits = GrammarLimits()) throws(GrammarError) -> Int {
        try CompiledGrammar.automaton(self, limits: limits).nodeCount
    }
}

extension CompiledGrammar {
    /// - Throws: `GrammarError` when the constraint is malformed, asks for what cannot be enforced, allows no text or costs more
    ///   than `limits` allow. Checks for cancellation of the current task.
    public static func compile(
        _ grammar: Grammar, vocabulary: Vocabulary, limits: GrammarLimits = GrammarLimits()
    ) throws(GrammarError) -> CompiledGrammar {
        CompiledGrammar(try automaton(grammar, limits: limits), vocabulary: vocabulary)
    }

    fileprivate static func automaton(_ grammar: Grammar, limits: GrammarLimits) throws(GrammarError) -> Automaton {
        var lowering = GrammarLowering(limits: limits)
        try lowering.root(grammar)
        return try AutomatonCompiler.compile(lowering.builder)
    }
}

/// Translates a Grammar into rules. Recursion follows the nesting of the value, which code builds, not clients.
private struct GrammarLowering {
    private(set) var builder: GrammarBuilder
    private var fixed = JSONRules(spacing: .fixed)
    private var flexible = JSONRules(spacing: .flexible)

    init(limits: GrammarLimits) { builder = GrammarBuilder(limits: limits) }

    mutating func root(_ grammar: Grammar) throws(GrammarError) {
        let root = try builder.rule("root")
        try lower(grammar, builder[root].start, builder[root].end)
    }

    private mutating func lower(_ grammar: Grammar, _ from: StateID, _ to: StateID) throws(GrammarError) {
        switch grammar {
        case .literal(let text):
            try builder.literal(text, from, to)
        case .text(let avoided):
            let automaton = try TextAutomaton(avoided.map(TextCondition.avoids), meter: &builder.meter)
            try builder.text(automaton, .plain, from, to)
        case .schema(let schema, let spacing, let pointer):
            let document = SchemaDocument(schema, pointer: pointer)
            let place = document.root
            let rule = switch spacing {
            case .fixed: try SchemaCompiler.compile(place, of: document, as: .json, json: &fixed, into: &builder)
            case .flexible: try SchemaCompiler.compile(place, of: document, as: .json, json: &flexible, into: &builder)
            }
            try builder.call(rule, from, to)
        case .parameter(let schema, let name, let avoided, let pointer):
            let document = SchemaDocument(schema, pointer: pointer)
            let properties = document.root.keyword("properties")
            guard let place = properties?.keyword(name) else {
                throw GrammarError(.invalid, "has no property '\(excerpt(name))'", pointer: pointer)
            }
            let rule = try SchemaCompiler.compile(
                place, of: document, as: .parameter(avoiding: avoided), json: &fixed, into: &builder)
            try builder.call(rule, from, to)
        case .jsonObject(let spacing):
            let rule = switch spacing {
            case .fixed: try fixed.rule(.object, &builder)
            case .flexible: try flexible.rule(.object, &builder)
            }
            try builder.call(rule, from, to)
        case .regex(let pattern):
            let expression = try RegexParser.parse(pattern, meter: &builder.meter)
            try builder.text(try TextAutomaton([.matches(expression)], meter: &builder.meter), .plain, from, to)
        case .gbnf(let source):
            try builder.call(try GBNFParser.parse(source, into: &builder), from, to)
        case .sequence(let parts):
            var current = from
            for part in parts {
                let next = try builder.state()
                try lower(part, current, next)
                current = next
            }
            try builder.epsilon(current, to)
        case .choice(let parts):
            for part in parts { try lower(part, from, to) }
        case .repeated(let part, let minimum, let maximum):
            let rule = try builder.rule("repeated")
            try lower(part, builder[rule].start, builder[rule].end)
            var current = from
            for _ in 0..<minimum {
                let next = try builder.state()
                try builder.call(rule, current, next)
                current = next
            }
            guard let maximum else {
                let loop = try builder.state()
                try builder.epsilon(current, loop)
                try builder.call(rule, loop, loop)
                return try builder.epsilon(loop, to)
            }
            for _ in minimum..<max(minimum, maximum) {
                try builder.epsilon(current, to)
                let next = try builder.state()
                try builder.call(rule, current, next)
                current = next
            }
            try builder.epsilon(current, to)
        }
    }
}
