// JSON itself as rules, shared by everything in a grammar that allows some value of a type without further conditions.
//
// Owns: separators and white space. Invariant: white space is bounded, so that no answer consists of it.
import QuernJSON

/// White space between the parts of JSON documents.
public enum JSONSpacing: Sendable, Hashable {
    /// `{"a": 1, "b": [2, 3]}`: one spelling, as Python's `json.dumps` and chat templates print it.
    case fixed
    /// One line or several, indented with at most 20 characters.
    case flexible
}

struct JSONRules {
    enum Kind { case value, object, array, string, integer, number, space }

    let spacing: JSONSpacing
    private var rules: [Kind: RuleID] = [:]

    init(spacing: JSONSpacing) { self.spacing = spacing }

    mutating func rule(_ kind: Kind, _ builder: inout GrammarBuilder) throws(GrammarError) -> RuleID {
        if let known = rules[kind] { return known }
        let rule = try builder.rule("\(kind)")
        rules[kind] = rule
        let (start, end) = (builder[rule].start, builder[rule].end)
        switch kind {
        case .value:
            for kind in [Kind.object, .array, .string, .number] { try builder.call(try self.rule(kind, &builder), start, end) }
            for word in ["true", "false", "null"] { try builder.literal(word, start, end) }
        case .object:
            try list("{", "}", start, end, &builder) { (rules, builder, from, to) throws(GrammarError) in
                let colon = try builder.state()
                let value = try builder.state()
                try builder.call(try rules.rule(.string, &builder), from, colon)
                try rules.colon(colon, value, &builder)
                try builder.call(try rules.rule(.value, &builder), value, to)
            }
        case .array:
            try list("[", "]", start, end, &builder) { (rules, builder, from, to) throws(GrammarError) in
                try builder.call(try rules.rule(.value, &builder), from, to)
            }
        case .string:
            let (open, close) = (try builder.state(), try builder.state())
            try builder.literal("\"", start, open)
            try builder.anyJSONText(open, close)
            try builder.literal("\"", close, end)
        case .integer: try builder.integers(nil, nil, start, end)
        case .number: try builder.anyNumber(start, end)
        case .space:
            try builder.epsilon(start, end)
            try builder.literal(" ", start, end)
            var current = try builder.state()
            try builder.literal("\n", start, current)
            for _ in 0..<20 {
                try builder.epsilon(current, end)
                let next = try builder.state()
                for byte in " \t".utf8 { try builder.bytes(byte, byte, current, next) }
                current = next
            }
            try builder.epsilon(current, end)
        }
        return rule
    }

    /// Items between brackets, in any number.
    private mutating func list(
        _ open: String, _ close: String, _ start: StateID, _ end: StateID, _ builder: inout GrammarBuilder,
        item: (inout JSONRules, inout GrammarBuilder, StateID, StateID) throws(GrammarError) -> Void
    ) throws(GrammarError) {
        let (first, after, next) = (try builder.state(), try builder.state(), try builder.state())
        try self.open(open, start, first, &builder)
        try item(&self, &builder, first, after)
        try comma(after, next, &builder)
        try item(&self, &builder, next, after)
        try self.close(close, after, end, &builder)
        try builder.literal(open + close, start, end)
    }

    // MARK: Separators

    mutating func open(_ bracket: String, _ from: StateID, _ to: StateID, _ builder: inout GrammarBuilder) throws(GrammarError) {
        try spaced(bracket, from, to, &builder)
    }

    mutating func comma(_ from: StateID, _ to: StateID, _ builder: inout GrammarBuilder) throws(GrammarError) {
        switch spacing {
        case .fixed: try builder.literal(", ", from, to)
        case .flexible: try spaced(",", from, to, &builder)
        }
    }

    mutating func colon(_ from: StateID, _ to: StateID, _ builder: inout GrammarBuilder) throws(GrammarError) {
        try builder.literal(": ", from, to)
        if spacing == .flexible { try builder.literal(":", from, to) }
    }

    mutating func close(_ bracket: String, _ from: StateID, _ to: StateID, _ builder: inout GrammarBuilder) throws(GrammarError) {
        let bare = try builder.state()
        switch spacing {
        case .fixed: try builder.epsilon(from, bare)
        case .flexible: try builder.call(try rule(.space, &builder), from, bare)
        }
        try builder.literal(bracket, bare, to)
    }

    private mutating func spaced(_ text: String, _ from: StateID, _ to: StateID, _ builder: inout GrammarBuilder) throws(GrammarError) {
        switch spacing {
        case .fixed: try builder.literal(text, from, to)
        case .flexible:
            let space = try builder.state()
            try builder.literal(text, from, space)
            try builder.call(try rule(.space, &builder), space, to)
        }
    }
}
