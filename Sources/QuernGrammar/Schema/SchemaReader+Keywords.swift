// The keywords of one schema object, its combinators aside.
import QuernJSON

extension SchemaReader {
    func ownShape(_ schema: SchemaLocation) throws(GrammarError) -> SchemaShape {
        var shape = SchemaShape()
        if let type = schema.keyword("type") { shape.types = try types(type) }
        shape.values = try values(schema)
        try readBounds(schema, &shape)
        try readText(schema, &shape)
        try readObject(schema, &shape)
        try readArray(schema, &shape)
        return shape
    }

    private func types(_ place: SchemaLocation) throws(GrammarError) -> SchemaShape.Types {
        let names: [JSONValue]
        switch place.value {
        case .string: names = [place.value]
        case .array(let list) where !list.isEmpty: names = list
        default: throw GrammarError(.invalid, "type must be the name of a type or a list of names", pointer: place.pointer)
        }
        var types: SchemaShape.Types = []
        for name in names {
            switch name.stringValue {
            case "null": types.insert(.null)
            case "boolean": types.insert(.boolean)
            case "integer": types.insert(.integer)
            case "number": types.formUnion(.number)
            case "string": types.insert(.string)
            case "array": types.insert(.array)
            case "object": types.insert(.object)
            default:
                throw GrammarError(
                    .invalid, "'\(excerpt(name.serialized()))' is no type of JSON Schema (null, boolean, integer, number, string, array, object)",
                    pointer: place.pointer)
            }
        }
        return types
    }

    private func values(_ schema: SchemaLocation) throws(GrammarError) -> [JSONValue]? {
        var values: [JSONValue]?
        if let place = schema.keyword("enum") {
            guard let list = place.value.arrayValue, !list.isEmpty else {
                throw GrammarError(.invalid, "enum must be a list of at least one value", pointer: place.pointer)
            }
            values = list
        }
        if let constant = schema.value["const"] {
            values = values?.filter { $0.equalsAsJSON(constant) } ?? [constant]
        }
        return values
    }

    private func readBounds(_ schema: SchemaLocation, _ shape: inout SchemaShape) throws(GrammarError) {
        func bound(_ keyword: String, isExclusive: Bool) throws(GrammarError) -> SchemaShape.Bound? {
            guard let place = schema.keyword(keyword) else { return nil }
            guard let value = DecimalNumber(place.value) else {
                throw GrammarError(.invalid, "\(keyword) must be a number", pointer: place.pointer)
            }
            return SchemaShape.Bound(value: value, isExclusive: isExclusive)
        }
        let lows = [try bound("minimum", isExclusive: false), try bound("exclusiveMinimum", isExclusive: true)]
        let highs = [try bound("maximum", isExclusive: false), try bound("exclusiveMaximum", isExclusive: true)]
        for low in lows {
            var other = SchemaShape()
            other.minimum = low
            shape = shape.intersection(other)
        }
        for high in highs {
            var other = SchemaShape()
            other.maximum = high
            shape = shape.intersection(other)
        }
    }

    private func readText(_ schema: SchemaLocation, _ shape: inout SchemaShape) throws(GrammarError) {
        (shape.minLength, shape.maxLength) = try counts(schema, "minLength", "maxLength")
        func text(_ keyword: String) throws(GrammarError) -> [SchemaLocation] {
            guard let place = schema.keyword(keyword) else { return [] }
            guard place.value.stringValue != nil else {
                throw GrammarError(.invalid, "\(keyword) must be a string", pointer: place.pointer)
            }
            return [place]
        }
        shape.patterns = try text("pattern")
        shape.formats = try text("format")
    }

    private func readObject(_ schema: SchemaLocation, _ shape: inout SchemaShape) throws(GrammarError) {
        if let place = schema.keyword("properties") {
            guard place.value.objectValue != nil else {
                throw GrammarError(.invalid, "properties must be an object", pointer: place.pointer)
            }
            for (name, location) in try schema.children(of: "properties") {
                shape.properties.append(SchemaShape.Property(name: name, schemas: [location]))
            }
        }
        if let place = schema.keyword("required") {
            guard let names = place.value.arrayValue, names.allSatisfy({ $0.stringValue != nil }) else {
                throw GrammarError(.invalid, "required must be a list of names", pointer: place.pointer)
            }
            for name in names.compactMap(\.stringValue) where !shape.required.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
                shape.required.append(name)
            }
        }
        guard let additional = schema.keyword("additionalProperties") else { return }
        shape.allowsAdditional = additional.value != .bool(false)
        shape.invitesAdditional = shape.allowsAdditional
        if shape.allowsAdditional && additional.value != .bool(true) { shape.additional = [additional] }
    }

    private func readArray(_ schema: SchemaLocation, _ shape: inout SchemaShape) throws(GrammarError) {
        (shape.minItems, shape.maxItems) = try counts(schema, "minItems", "maxItems")
        if let place = schema.keyword("prefixItems") {
            guard place.value.arrayValue != nil else {
                throw GrammarError(.invalid, "prefixItems must be a list of schemas", pointer: place.pointer)
            }
            shape.prefixItems = try schema.children(of: "prefixItems").map { [$0.location] }
        }
        guard let items = schema.keyword("items") else { return }
        if items.value.arrayValue != nil {
            throw GrammarError(.invalid, "items must be one schema; a list is called prefixItems since draft 2020-12", pointer: items.pointer)
        }
        shape.items = [items]
    }

    private func counts(_ schema: SchemaLocation, _ low: String, _ high: String) throws(GrammarError) -> (Int, Int?) {
        func count(_ keyword: String) throws(GrammarError) -> Int? {
            guard let place = schema.keyword(keyword) else { return nil }
            guard let number = DecimalNumber(place.value), number.fraction.isEmpty, !number.isNegative else {
                throw GrammarError(.invalid, "\(keyword) must be a whole number, not negative", pointer: place.pointer)
            }
            return Int(number.integer)
        }
        let minimum = try count(low) ?? 0
        let maximum = try count(high)
        if let maximum, maximum < minimum {
            throw GrammarError(.invalid, "\(low) is \(minimum), more than \(high), \(maximum)", pointer: schema.pointer + "/" + low)
        }
        guard minimum <= meter.limits.repetitions else {
            throw GrammarError(.tooComplex, "\(low) is \(minimum), the limit is \(meter.limits.repetitions)", pointer: schema.pointer + "/" + low)
        }
        return (minimum, maximum)
    }
}
