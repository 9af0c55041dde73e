// Jinja's filters: what may stand after `|`.
import Foundation
import QuernJSON

enum Filters {
    private static let names: Set<String> = [
        "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "fromjson", "indent", "int",
        "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse",
        "round", "safe", "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "unique", "upper",
        "wordcount",
    ]

    static func isKnown(_ name: String) -> Bool { names.contains(name) }

    static func apply(
        _ name: String, to value: Value, _ arguments: CallArguments, interpreter: Interpreter, line: Int
    ) throws(TemplateError) -> Value {
        func fail(_ message: String) -> TemplateError { TemplateError(.runtime, message, line: line) }
        func items() throws(TemplateError) -> [Value] { try interpreter.iterate(value, line: line) }
        func text() -> TemplateString { value.printed }
        switch name {
        case "default", "d":
            let isMissing = value.isUndefined || (arguments.value(1, "boolean")?.isTrue ?? false) && !value.isTrue
            return isMissing ? arguments.value(0, "default_value") ?? .text("") : value
        case "length", "count":
            switch value {
            case .string(let text): return .int(text.text.unicodeScalars.count)
            case .dict(let entries): return .int(entries.count)
            case .list, .tuple, .undefined: return .int(try items().count)
            default: throw fail("object of type '\(value.typeName)' has no len()")
            }
        case "first": return try items().first ?? .undefined("first")
        case "last": return try items().last ?? .undefined("last")
        case "list": return .list(try items())
        case "string": return .string(text())
        case "safe", "e", "escape": return value
        case "trim":
            guard let set = arguments.value(0, "chars")?.printed.text.unicodeScalars, !set.isEmpty else {
                return .string(text().stripped(leading: true, trailing: true) { $0.isPythonSpace })
            }
            return .string(text().stripped(leading: true, trailing: true) { set.contains($0) })
        case "upper": return .string(text().mapped { $0.uppercased() })
        case "lower": return .string(text().mapped { $0.lowercased() })
        case "title": return .string(text().mapped { $0.capitalized })
        case "capitalize": return .string(text().mapped { $0.prefix(1).uppercased() + $0.dropFirst().lowercased() })
        case "replace":
            guard let old = arguments.value(0, "old"), let new = arguments.value(1, "new") else { throw fail("replace needs two strings") }
            return .string(
                try Methods.replaced(
                    text(), old.printed, by: new.printed, count: arguments.value(2, "count")?.integer, interpreter, line))
        case "join":
            var list = try items()
            if let attribute = arguments.value(1, "attribute") {
                list = try list.map { item throws(TemplateError) in try interpreter.attribute(attribute.printed.text, of: item, line: line) }
            }
            return .string(try Methods.joined(list, by: arguments.value(0, "d")?.printed ?? TemplateString(), interpreter, line))
        case "reverse":
            if case .string(let text) = value {
                let scalars = text.scalars
                return .string(scalars.pick((0..<scalars.count).reversed()))
            }
            return .list(try items().reversed())
        case "items":
            if value.isUndefined { return .list([]) }
            guard case .dict(let entries) = value else { throw fail("Can only get item pairs from a mapping.") }
            return .list(entries.map { .tuple([.string($0.key), $0.value]) })
        case "dictsort":
            guard case .dict(let entries) = value else { throw fail("dictsort needs a mapping") }
            let sorted = entries.sorted { $0.key.text.lowercased().unicodeScalars.lexicographicallyPrecedes($1.key.text.lowercased().unicodeScalars) }
            return .list(sorted.map { .tuple([.string($0.key), $0.value]) })
        case "tojson": return .string(try json(value, arguments, line: line))
        case "fromjson":
            do throws(JSONError) {
                return Value(try JSONValue(parsing: Array(text().text.utf8)), isTrusted: value.isTrusted)
            } catch {
                throw fail("fromjson: \(error)")
            }
        case "int": return .int(try integer(value, arguments))
        case "float": return .double(Double(text().text) ?? value.number ?? arguments.value(0, "default")?.number ?? 0)
        case "abs":
            if let integer = value.integer {
                guard integer != .min else { throw fail("integer overflow") }
                return .int(abs(integer))
            }
            guard let number = value.number else { throw fail("bad operand type for abs()") }
            return .double(abs(number))
        case "round":
            guard let number = value.number else { throw fail("round needs a number") }
            let scale = pow(10, Double(min(max(arguments.value(0, "precision")?.integer ?? 0, -15), 15)))
            let method = arguments.value(1, "method")?.printed.text
            let rule: FloatingPointRoundingRule = method == "ceil" ? .up : method == "floor" ? .down : .toNearestOrEven
            return .double((number * scale).rounded(rule) / scale)
        case "sum":
            var sum = Value.int(0)
            for item in try items() { sum = try Arithmetic.apply(.add, sum, item, interpreter: interpreter, line: line) }
            return sum
        case "wordcount": return .int(text().split(by: nil, max: -1).count)
        case "indent": return .string(indented(text(), arguments))
        default: return try Sequences.apply(name, try items(), arguments, interpreter: interpreter, line: line)
        }
    }

    private static func integer(_ value: Value, _ arguments: CallArguments) throws(TemplateError) -> Int {
        let fallback = arguments.value(0, "default")?.integer ?? 0
        if let integer = value.integer { return integer }
        if case .string(let text) = value {
            let trimmed = text.text.trimmingCharacters(in: .whitespaces)
            return Int(trimmed) ?? Double(trimmed).flatMap { Int(exactly: $0.rounded(.towardZero)) } ?? fallback
        }
        return value.number.flatMap { Int(exactly: $0.rounded(.towardZero)) } ?? fallback
    }

    /// As transformers defines `tojson`: json.dumps with ensure_ascii off and no HTML escapes.
    private static func json(_ value: Value, _ arguments: CallArguments, line: Int) throws(TemplateError) -> TemplateString {
        guard let json = value.json else {
            throw TemplateError(.runtime, "Object of type \(value.typeName) is not JSON serializable", line: line)
        }
        var style = JSONStyle.python
        style.escapesNonASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
        if let indent = arguments.value(1, "indent")?.integer { style.indent = min(max(indent, 0), 64) }
        if case .tuple(let pair)? = arguments.value(2, "separators"), pair.count == 2 {
            style.itemSeparator = pair[0].printed.text
            style.keySeparator = pair[1].printed.text
        }
        style.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
        return TemplateString(json.serialized(style), isTrusted: value.isTrusted)
    }

    private static func indented(_ text: TemplateString, _ arguments: CallArguments) -> TemplateString {
        let width = arguments.value(0, "width")
        let pad = width?.integer.map { String(repeating: " ", count: min(max($0, 0), 1024)) } ?? width?.printed.text ?? "    "
        let indentsFirst = arguments.value(1, "first")?.isTrue ?? false
        let indentsBlank = arguments.value(2, "blank")?.isTrue ?? false
        var out = TemplateString()
        for (index, part) in text.split(by: ["\n"], max: -1).enumerated() {
            if index > 0 { out.append("\n", isTrusted: true) }
            if index == 0 ? indentsFirst : (indentsBlank || !part.isEmpty) { out.append(pad, isTrusted: true) }
            out.append(part)
        }
        return out
    }
}
