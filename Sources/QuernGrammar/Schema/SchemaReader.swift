// From places in a schema to shapes: reads keywords and multiplies out `allOf`, `anyOf`, `oneOf` and `$ref`.
//
// Owns: what every keyword's value must look like, and which combinations can be decided. Does not own: automata.
// Invariants: alternatives are bounded; combinators and references nested deeper than 64 at one place are refused, so a
// reference that leads back to itself without an element or property in between is an error and not a loop.
import QuernJSON

struct SchemaReader {
    let document: SchemaDocument
    var meter: Meter
    private static let maxNesting = 64

    /// The alternatives of an instance that satisfies all of `schemas`.
    mutating func shapes(_ schemas: [SchemaLocation], nesting: Int = 0) throws(GrammarError) -> [SchemaShape] {
        var result = [SchemaShape()]
        for schema in schemas { result = try product(result, try alternatives(schema, nesting), at: schema) }
        return result
    }

    private mutating func product(
        _ a: [SchemaShape], _ b: [SchemaShape], at place: SchemaLocation
    ) throws(GrammarError) -> [SchemaShape] {
        let (count, overflow) = a.count.multipliedReportingOverflow(by: b.count)
        guard !overflow, count <= meter.limits.alternatives else {
            throw GrammarError(
                .tooComplex, "\(a.count) times \(b.count) alternatives, the limit is \(meter.limits.alternatives)",
                pointer: place.pointer)
        }
        var result: [SchemaShape] = []
        for left in a {
            for right in b {
                try meter.charge(16 + left.properties.count * right.properties.count)
                let both = left.intersection(right)
                if !both.isEmpty { result.append(both) }
            }
        }
        return result
    }

    private mutating func alternatives(_ schema: SchemaLocation, _ nesting: Int) throws(GrammarError) -> [SchemaShape] {
        guard nesting <= Self.maxNesting else {
            throw GrammarError(.tooComplex, "combines more than \(Self.maxNesting) schemas, or refers to itself", pointer: schema.pointer)
        }
        switch schema.value {
        case .bool(let allows): return allows ? [SchemaShape()] : []
        case .object: break
        default: throw GrammarError(.invalid, "a schema is an object or a boolean, not a \(schema.value.typeName)", pointer: schema.pointer)
        }
        var result = [try ownShape(schema)].filter { !$0.isEmpty }
        if schema.value["$ref"] != nil {
            result = try product(result, try alternatives(try document.target(of: schema), nesting + 1), at: schema)
        }
        for child in try schema.children(of: "allOf") {
            result = try product(result, try alternatives(child.location, nesting + 1), at: child.location)
        }
        let choices = try schema.children(of: "anyOf")
        if !choices.isEmpty {
            var union: [SchemaShape] = []
            for child in choices { union += try alternatives(child.location, nesting + 1) }
            result = try product(result, union, at: schema)
        }
        let exclusive = try schema.children(of: "oneOf")
        if !exclusive.isEmpty {
            var branches: [(SchemaLocation, [SchemaShape])] = []
            for child in exclusive {
                let shapes = try alternatives(child.location, nesting + 1)
                branches.append((child.location, try product(result, shapes, at: child.location)))
            }
            try requireDisjoint(branches, nesting)
            result = branches.flatMap(\.1)
        }
        return result
    }

    // MARK: oneOf

    private mutating func requireDisjoint(
        _ branches: [(place: SchemaLocation, shapes: [SchemaShape])], _ nesting: Int
    ) throws(GrammarError) {
        for second in branches.indices {
            for first in 0..<second {
                for a in branches[first].shapes {
                    for b in branches[second].shapes where try !areDisjoint(a, b, nesting) {
                        throw GrammarError(
                            .unsupported, "this branch and branch \(first) may both hold, and oneOf wants exactly one; use anyOf",
                            pointer: branches[second].place.pointer)
                    }
                }
            }
        }
    }

    private mutating func areDisjoint(_ a: SchemaShape, _ b: SchemaShape, _ nesting: Int) throws(GrammarError) -> Bool {
        try meter.charge(16)
        let both = a.intersection(b)
        if both.isEmpty { return true }
        if let values = both.values {
            for value in values where try accepts(value, both, nesting) { return false }
            return true
        }
        let isNumeric = both.types.isSubset(of: .number)
        if isNumeric, let low = both.minimum, let high = both.maximum {
            return low.value > high.value || (low.value == high.value && (low.isExclusive || high.isExclusive))
        }
        if both.types == .string, let maximum = both.maxLength { return both.minLength > maximum }
        guard both.types == .object else { return false }
        for name in both.required {
            guard let schemas = both.schemas(ofProperty: name) else { return true }
            let mine = a.schemas(ofProperty: name) ?? []
            let theirs = b.schemas(ofProperty: name) ?? []
            guard nesting < Self.maxNesting, mine != theirs else { continue }
            var isApart = true
            for x in try shapes(mine, nesting: nesting + 1) {
                for y in try shapes(theirs, nesting: nesting + 1) where try !areDisjoint(x, y, nesting + 1) { isApart = false }
            }
            let together = try shapes(schemas, nesting: nesting + 1)
            if isApart || together.isEmpty { return true }
        }
        return false
    }

    // MARK: Literal values

    /// Whether `value` satisfies `shape`, its `values` aside.
    mutating func accepts(_ value: JSONValue, _ shape: SchemaShape, _ nesting: Int = 0) throws(GrammarError) -> Bool {
        try meter.charge(8)
        guard nesting <= 2 * Self.maxNesting else { return false }
        switch value {
        case .null: return shape.types.contains(.null)
        case .bool: return shape.types.contains(.boolean)
        case .int, .bigInteger, .double:
            guard let number = DecimalNumber(value) else { return false }
            guard shape.types.contains(number.fraction.isEmpty ? .integer : .fraction) else { return false }
            if let low = shape.minimum, number < low.value || (number == low.value && low.isExclusive) { return false }
            if let high = shape.maximum, number > high.value || (number == high.value && high.isExclusive) { return false }
            return true
        case .string(let text):
            guard shape.types.contains(.string) else { return false }
            return shape.constrainsText ? try textAutomaton(shape).matches(text) : true
        case .array(let elements):
            guard shape.types.contains(.array), (shape.minItems...(shape.maxItems ?? .max)).contains(elements.count) else { return false }
            for (index, element) in elements.enumerated() {
                if try !accepts(element, all: shape.schemas(ofItem: index), nesting) { return false }
            }
            return true
        case .object(let object):
            guard shape.types.contains(.object), shape.required.allSatisfy({ object[$0] != nil }) else { return false }
            for member in object.members {
                guard let schemas = shape.schemas(ofProperty: member.key) else { return false }
                if try !accepts(member.value, all: schemas, nesting) { return false }
            }
            return true
        }
    }

    private mutating func accepts(_ value: JSONValue, all schemas: [SchemaLocation], _ nesting: Int) throws(GrammarError) -> Bool {
        for shape in try shapes(schemas, nesting: min(nesting + 1, Self.maxNesting)) {
            if let values = shape.values, !values.contains(where: { $0.equalsAsJSON(value) }) { continue }
            if try accepts(value, shape, nesting + 1) { return true }
        }
        return false
    }

    /// The strings a shape allows.
    ///
    /// - Parameter avoiding: a text that must not occur, besides.
    mutating func textAutomaton(_ shape: SchemaShape, avoiding: String? = nil) throws(GrammarError) -> TextAutomaton {
        var conditions: [TextCondition] = []
        for pattern in shape.patterns {
            conditions.append(.contains(try expression(pattern.value.stringValue ?? "", at: pattern)))
        }
        for format in shape.formats {
            let name = format.value.stringValue ?? ""
            conditions.append(.matches(try expression(StringFormat.patterns[name] ?? "", at: format)))
        }
        if shape.minLength > 0 || shape.maxLength != nil {
            let maximum = shape.maxLength.map { min($0, meter.limits.repetitions) }
            conditions.append(.length(minimum: shape.minLength, maximum: maximum))
        }
        if let avoiding { conditions.append(.avoids(avoiding)) }
        return try TextAutomaton(conditions, meter: &meter)
    }

    private mutating func expression(_ pattern: String, at place: SchemaLocation) throws(GrammarError) -> ExpressionNFA {
        do {
            return try RegexParser.parse(pattern, meter: &meter)
        } catch {
            throw error.at(place.pointer)
        }
    }
}
