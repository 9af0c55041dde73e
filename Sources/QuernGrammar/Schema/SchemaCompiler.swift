// From shapes to rules: one rule per set of schemas that some place in the document must satisfy together.
//
// Rules are keyed by the places they come from, so recursion in the schema becomes recursion between rules, and the work list
// ends because places are finite. Objects list their properties in the order of the schema: one order of the many that would
// be valid, which is what keeps the automaton linear in the number of optional properties.
import QuernJSON

/// How a schema's root is spelled.
enum SchemaSpelling {
    case json
    /// Strings without quotes, as the value of an XML-like parameter; everything else as JSON.
    case parameter(avoiding: String)
}

struct SchemaCompiler {
    private var reader: SchemaReader
    private let spelling: SchemaSpelling
    private var rules: [[SchemaLocation]: RuleID] = [:]
    private var pending: [(rule: RuleID, schemas: [SchemaLocation])] = []

    /// Adds the rules of the schema at `place`; the first of them is returned.
    ///
    /// - Throws: `GrammarError` with the JSON Pointer of what is wrong or cannot be enforced.
    static func compile(
        _ place: SchemaLocation, of document: SchemaDocument, as spelling: SchemaSpelling, json: inout JSONRules,
        into builder: inout GrammarBuilder
    ) throws(GrammarError) -> RuleID {
        var compiler = SchemaCompiler(document, spelling, builder.meter)
        try SchemaKeywords.requireEnforceable(place, of: document, meter: &compiler.reader.meter)
        let root = try builder.rule(place.pointer.isEmpty ? "schema" : place.pointer)
        try compiler.lower([place], into: root, isRoot: true, &json, &builder)
        while let (rule, schemas) = compiler.pending.popLast() {
            try compiler.lower(schemas, into: rule, isRoot: false, &json, &builder)
        }
        return root
    }

    private init(_ document: SchemaDocument, _ spelling: SchemaSpelling, _ meter: Meter) {
        reader = SchemaReader(document: document, meter: meter)
        self.spelling = spelling
    }

    /// The rule of instances that satisfy all of `schemas`.
    private mutating func rule(
        _ schemas: [SchemaLocation], _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> RuleID {
        guard !schemas.isEmpty else { return try json.rule(.value, &builder) }
        if let known = rules[schemas] { return known }
        let rule = try builder.rule(schemas[0].pointer)
        rules[schemas] = rule
        pending.append((rule, schemas))
        return rule
    }

    private mutating func lower(
        _ schemas: [SchemaLocation], into rule: RuleID, isRoot: Bool, _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        let (start, end) = (builder[rule].start, builder[rule].end)
        for shape in try reader.shapes(schemas) {
            do {
                if case .parameter(let avoided) = spelling, isRoot {
                    try parameter(shape, avoided, start, end, &json, &builder)
                } else {
                    try value(shape, start, end, &json, &builder)
                }
            } catch where error.pointer.isEmpty {
                throw error.at(schemas[0].pointer)
            }
        }
    }

    // MARK: Values

    private mutating func value(
        _ shape: SchemaShape, _ start: StateID, _ end: StateID, _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        if let values = shape.values {
            for value in values where try reader.accepts(value, shape) {
                try builder.literal(spelled(value, json.spacing), start, end)
            }
            return
        }
        try unlessString(shape, start, end, &json, &builder)
        guard shape.types.contains(.string) else { return }
        if shape.constrainsText {
            let (open, close) = (try builder.state(), try builder.state())
            try builder.literal("\"", start, open)
            try builder.text(try reader.textAutomaton(shape), .json, open, close)
            try builder.literal("\"", close, end)
        } else {
            try builder.call(try json.rule(.string, &builder), start, end)
        }
    }

    private func spelled(_ value: JSONValue, _ spacing: JSONSpacing) -> String {
        value.serialized(spacing == .fixed ? .python : .compact)
    }

    /// Values of every type but string.
    private mutating func unlessString(
        _ shape: SchemaShape, _ start: StateID, _ end: StateID, _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        if shape.types.contains(.null) { try builder.literal("null", start, end) }
        if shape.types.contains(.boolean) {
            try builder.literal("true", start, end)
            try builder.literal("false", start, end)
        }
        let isBounded = shape.minimum != nil || shape.maximum != nil
        switch (shape.types.contains(.integer), shape.types.contains(.fraction)) {
        case (true, true) where !isBounded: try builder.call(try json.rule(.number, &builder), start, end)
        case (true, false) where !isBounded: try builder.call(try json.rule(.integer, &builder), start, end)
        case (true, true): try builder.decimals(shape.minimum, shape.maximum, start, end)
        case (true, false): try builder.integers(shape.minimum, shape.maximum, start, end)
        default: break
        }
        if shape.types.contains(.array) { try array(shape, start, end, &json, &builder) }
        if shape.types.contains(.object) { try object(shape, start, end, &json, &builder) }
    }

    private mutating func parameter(
        _ shape: SchemaShape, _ avoided: String, _ start: StateID, _ end: StateID, _ json: inout JSONRules,
        _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        if let values = shape.values {
            for value in values where try reader.accepts(value, shape) {
                try builder.literal(value.stringValue ?? spelled(value, json.spacing), start, end)
            }
            return
        }
        try unlessString(shape, start, end, &json, &builder)
        guard shape.types.contains(.string) else { return }
        try builder.text(try reader.textAutomaton(shape, avoiding: avoided), .plain, start, end)
    }

    // MARK: Arrays

    private mutating func array(
        _ shape: SchemaShape, _ start: StateID, _ end: StateID, _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        if shape.minItems == 0 { try builder.literal("[]", start, end) }
        let fixed = max(shape.prefixItems.count, shape.minItems, 1)
        let most = shape.maxItems.map { min($0, max(builder.meter.limits.repetitions, fixed)) }
        if most == 0 { return }
        var before = try builder.state()
        try json.open("[", start, before, &builder)
        for index in 0..<(most ?? fixed) {
            let after = try builder.state()
            try builder.call(try rule(shape.schemas(ofItem: index), &json, &builder), before, after)
            if index + 1 >= shape.minItems { try json.close("]", after, end, &builder) }
            let next = try builder.state()
            try json.comma(after, next, &builder)
            if most == nil && index == fixed - 1 {
                // Any number may follow: the last element repeats, but for what the prefix says.
                let again = try builder.state()
                try builder.call(try rule(shape.items, &json, &builder), next, again)
                try json.comma(again, next, &builder)
                try json.close("]", again, end, &builder)
            }
            before = next
        }
    }

    // MARK: Objects

    private mutating func object(
        _ shape: SchemaShape, _ start: StateID, _ end: StateID, _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        var properties = shape.properties
        for name in shape.required where !properties.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
            guard shape.allowsAdditional else { return }        // required and forbidden: no object
            properties.append(SchemaShape.Property(name: name, schemas: shape.additional))
        }
        let required = Set(shape.required.map { Array($0.utf8) })
        if required.isEmpty { try builder.literal("{}", start, end) }
        // Two rows of states: before the first member, and after some member.
        var first = try builder.state()
        var later: StateID?
        try json.open("{", start, first, &builder)
        for property in properties {
            let after = try builder.state()
            let value = try rule(property.schemas, &json, &builder)
            let key = JSONValue.string(property.name).serialized()
            try member(key, value, from: first, to: after, &json, &builder)
            if let later {
                let key2 = try builder.state()
                try json.comma(later, key2, &builder)
                try member(key, value, from: key2, to: after, &json, &builder)
            }
            if !required.contains(Array(property.name.utf8)) {
                let skipped = try builder.state()
                try builder.epsilon(first, skipped)
                first = skipped
                if let later { try builder.epsilon(later, after) }
            } else {
                first = try builder.state()     // without this member nothing may come: a state nobody reaches
            }
            later = after
        }
        if shape.allowsAdditional && (shape.invitesAdditional || shape.properties.isEmpty) {
            let after = try builder.state()
            let next = try builder.state()
            try additionalMember(shape, properties, from: first, to: after, &json, &builder)
            try additionalMember(shape, properties, from: next, to: after, &json, &builder)
            try json.comma(after, next, &builder)
            if let later {
                try json.comma(later, next, &builder)
                try builder.epsilon(later, after)
            }
            later = after
        }
        if let later { try json.close("}", later, end, &builder) }
    }

    private func member(
        _ key: String, _ value: RuleID, from: StateID, to: StateID, _ json: inout JSONRules, _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        let (colon, start) = (try builder.state(), try builder.state())
        try builder.literal(key, from, colon)
        try json.colon(colon, start, &builder)
        try builder.call(value, start, to)
    }

    /// A member under a name that no property has.
    private mutating func additionalMember(
        _ shape: SchemaShape, _ properties: [SchemaShape.Property], from: StateID, to: StateID, _ json: inout JSONRules,
        _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        let (colon, start) = (try builder.state(), try builder.state())
        if properties.isEmpty {
            try builder.call(try json.rule(.string, &builder), from, colon)
        } else {
            let (open, close) = (try builder.state(), try builder.state())
            try builder.literal("\"", from, open)
            let names = try TextAutomaton([.differs(properties.map(\.name))], meter: &reader.meter)
            try builder.text(names, .json, open, close)
            try builder.literal("\"", close, colon)
        }
        try json.colon(colon, start, &builder)
        try builder.call(try rule(shape.additional, &json, &builder), start, to)
    }
}
