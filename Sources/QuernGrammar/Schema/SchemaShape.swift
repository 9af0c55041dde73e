// What one alternative of a schema asks for, after references and combinators are resolved: a conjunction per type.
//
// Owns: the value and its intersection with another. Does not own: subschemas, which stay places in the document and are
// combined by listing them together. Invariant: an instance satisfies a shape only if it satisfies every schema it came from.
import QuernJSON

struct SchemaShape {
    struct Types: OptionSet {
        let rawValue: UInt8

        static let null = Types(rawValue: 1)
        static let boolean = Types(rawValue: 2)
        static let integer = Types(rawValue: 4)
        /// Numbers that are no integers.
        static let fraction = Types(rawValue: 8)
        static let string = Types(rawValue: 16)
        static let array = Types(rawValue: 32)
        static let object = Types(rawValue: 64)
        static let number: Types = [.integer, .fraction]
        static let all = Types(rawValue: 127)
    }

    struct Bound {
        var value: DecimalNumber
        var isExclusive: Bool
    }

    struct Property {
        var name: String
        var schemas: [SchemaLocation]
    }

    var types = Types.all
    /// From `enum` and `const`.
    var values: [JSONValue]?
    var minimum: Bound?
    var maximum: Bound?
    var minLength = 0
    var maxLength: Int?
    /// Regular expressions with their places: searched for, or (formats) matching as a whole.
    var patterns: [SchemaLocation] = []
    var formats: [SchemaLocation] = []
    var properties: [Property] = []
    var required: [String] = []
    /// Schemas of properties that are not named; they are generated only where a schema says so or names none.
    var additional: [SchemaLocation] = []
    var allowsAdditional = true
    var invitesAdditional = false
    var prefixItems: [[SchemaLocation]] = []
    /// Schemas of the elements after the prefix.
    var items: [SchemaLocation] = []
    var minItems = 0
    var maxItems: Int?

    /// Nothing can satisfy it. (That other shapes are empty shows when the automaton is compiled.)
    var isEmpty: Bool { types.isEmpty || values?.isEmpty == true }

    var constrainsText: Bool { minLength > 0 || maxLength != nil || !patterns.isEmpty || !formats.isEmpty }

    func schemas(ofProperty name: String) -> [SchemaLocation]? {
        if let property = properties.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) { return property.schemas }
        return allowsAdditional ? additional : nil
    }

    func schemas(ofItem index: Int) -> [SchemaLocation] { index < prefixItems.count ? prefixItems[index] : items }

    func intersection(_ other: SchemaShape) -> SchemaShape {
        var result = self
        result.types = types.intersection(other.types)
        if let mine = values, let theirs = other.values {
            result.values = mine.filter { value in theirs.contains { $0.equalsAsJSON(value) } }
        } else {
            result.values = values ?? other.values
        }
        result.minimum = Self.tighter(minimum, other.minimum) { $0 > $1 }
        result.maximum = Self.tighter(maximum, other.maximum) { $0 < $1 }
        result.minLength = max(minLength, other.minLength)
        result.maxLength = [maxLength, other.maxLength].compactMap { $0 }.min()
        result.patterns += other.patterns.filter { !patterns.contains($0) }
        result.formats += other.formats.filter { !formats.contains($0) }
        result.intersectProperties(other)
        let prefix = max(prefixItems.count, other.prefixItems.count)
        result.prefixItems = (0..<prefix).map { Self.union(schemas(ofItem: $0), other.schemas(ofItem: $0)) }
        result.items = Self.union(items, other.items)
        result.minItems = max(minItems, other.minItems)
        result.maxItems = [maxItems, other.maxItems].compactMap { $0 }.min()
        return result
    }

    private mutating func intersectProperties(_ other: SchemaShape) {
        let constrainsNothing = other.properties.isEmpty && other.additional.isEmpty && other.allowsAdditional
        if constrainsNothing || (properties.isEmpty && additional.isEmpty && allowsAdditional) {
            // The common case of a schema beside its own combinators, and linear in its properties.
            if !constrainsNothing { (properties, additional, allowsAdditional) = (other.properties, other.additional, other.allowsAdditional) }
            unite(other)
            return
        }
        let names = properties.map(\.name) + other.properties.map(\.name).filter { name in
            !properties.contains { $0.name.utf8.elementsEqual(name.utf8) }
        }
        var merged: [Property] = []
        for name in names {
            // A property that one side forbids is left out; if it is required, no object is possible.
            if let mine = schemas(ofProperty: name), let theirs = other.schemas(ofProperty: name) {
                merged.append(Property(name: name, schemas: Self.union(mine, theirs)))
            }
        }
        properties = merged
        additional = Self.union(additional, other.additional)
        allowsAdditional = allowsAdditional && other.allowsAdditional
        unite(other)
    }

    private mutating func unite(_ other: SchemaShape) {
        required += other.required.filter { name in !required.contains { $0.utf8.elementsEqual(name.utf8) } }
        invitesAdditional = invitesAdditional || other.invitesAdditional
    }

    private static func union(_ a: [SchemaLocation], _ b: [SchemaLocation]) -> [SchemaLocation] {
        a + b.filter { !a.contains($0) }
    }

    private static func tighter(_ a: Bound?, _ b: Bound?, _ precedes: (DecimalNumber, DecimalNumber) -> Bool) -> Bound? {
        guard let a, let b else { return a ?? b }
        if a.value == b.value { return Bound(value: a.value, isExclusive: a.isExclusive || b.isExclusive) }
        return precedes(a.value, b.value) ? a : b
    }
}

extension JSONValue {
    /// Equality as JSON Schema means it: 1 and 1.0 are the same number, members have no order.
    func equalsAsJSON(_ other: JSONValue) -> Bool {
        switch (self, other) {
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { $0.equalsAsJSON($1) }
        case (.object(let a), .object(let b)):
            a.count == b.count && a.members.allSatisfy { member in b[member.key].map { member.value.equalsAsJSON($0) } ?? false }
        case (.int, .double), (.double, .int): doubleValue == other.doubleValue
        default: self == other
        }
    }
}
