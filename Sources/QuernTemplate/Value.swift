// Values of the template language, with Python's notions of truth, equality, order and printing.
import QuernJSON

indirect enum Value: Sendable {
    case undefined(String)
    case none
    case bool(Bool)
    case int(Int)
    /// Beyond 64 bits: printed as it came, computed with as a float.
    case bigInteger(String)
    case double(Double)
    case string(TemplateString)
    case list([Value])
    case tuple([Value])
    case dict([Entry])
    case namespace(Namespace)
    case loop(LoopState)
    case macro(Macro)
    case function(String)

    struct Entry: Sendable {
        var key: TemplateString
        var value: Value
    }

    static func text(_ text: String, isTrusted: Bool = true) -> Value { .string(TemplateString(text, isTrusted: isTrusted)) }

    /// A JSON value; its strings carry the given trust.
    init(_ json: JSONValue, isTrusted: Bool) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(Int(value))
        case .bigInteger(let digits): self = .bigInteger(digits)
        case .double(let value): self = .double(value)
        case .string(let value): self = .text(value, isTrusted: isTrusted)
        case .array(let values): self = .list(values.map { Value($0, isTrusted: isTrusted) })
        case .object(let object):
            self = .dict(object.members.map {
                Entry(key: TemplateString($0.key, isTrusted: isTrusted), value: Value($0.value, isTrusted: isTrusted))
            })
        }
    }

    /// JSON for `tojson`; nil for values JSON cannot express.
    var json: JSONValue? {
        switch self {
        case .none: return .null
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(Int64(value))
        case .bigInteger(let digits): return .bigInteger(digits)
        case .double(let value): return .double(value)
        case .string(let value): return .string(value.text)
        case .list(let values), .tuple(let values):
            let items = values.compactMap(\.json)
            return items.count == values.count ? .array(items) : nil
        case .dict(let entries):
            var object = JSONObject()
            for entry in entries {
                guard let value = entry.value.json else { return nil }
                object.append(entry.key.text, value)
            }
            return .object(object)
        case .undefined, .namespace, .loop, .macro, .function: return nil
        }
    }

    /// False when any string inside came from a variable.
    var isTrusted: Bool {
        switch self {
        case .string(let value): value.isTrusted
        case .list(let values), .tuple(let values): values.allSatisfy(\.isTrusted)
        case .dict(let entries): entries.allSatisfy { $0.key.isTrusted && $0.value.isTrusted }
        default: true
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .bigInteger: true
        case .double(let value): value != 0
        case .string(let value): !value.isEmpty
        case .list(let values), .tuple(let values): !values.isEmpty
        case .dict(let entries): !entries.isEmpty
        case .namespace, .loop, .macro, .function: true
        }
    }

    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int, .bigInteger: "int"
        case .double: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dict: "dict"
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .macro: "Macro"
        case .function: "function"
        }
    }

    var number: Double? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): Double(value)
        case .bigInteger(let digits): Double(digits)
        case .double(let value): value
        default: nil
        }
    }

    var integer: Int? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): value
        default: nil
        }
    }

    /// Python's `str()`.
    var printed: TemplateString {
        switch self {
        case .undefined: TemplateString()
        case .string(let value): value
        default: TemplateString(represented, isTrusted: isTrusted)
        }
    }

    /// Python's `repr()`.
    var represented: String {
        switch self {
        case .undefined: return "Undefined"
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .int(let value): return String(value)
        case .bigInteger(let digits): return digits
        case .double(let value):
            if value.isNaN { return "nan" }
            if value.isInfinite { return value < 0 ? "-inf" : "inf" }
            return value.description
        case .string(let value): return Self.quoted(value.text)
        case .list(let values): return "[" + values.map(\.represented).joined(separator: ", ") + "]"
        case .tuple(let values):
            return "(" + values.map(\.represented).joined(separator: ", ") + (values.count == 1 ? ",)" : ")")
        case .dict(let entries):
            return "{" + entries.map { Self.quoted($0.key.text) + ": " + $0.value.represented }.joined(separator: ", ") + "}"
        case .namespace: return "<Namespace>"
        case .loop: return "<LoopContext>"
        case .macro(let macro): return "<Macro '\(macro.name)'>"
        case .function(let name): return "<function \(name)>"
        }
    }

    private static func quoted(_ text: String) -> String {
        let quote: Unicode.Scalar = text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
        var out = String(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case quote: out += "\\" + String(quote)
            case "\u{0}"..<"\u{20}", "\u{7f}"..<"\u{a1}":
                let digits = String(scalar.value, radix: 16)
                out += "\\x" + (digits.utf8.count == 1 ? "0" : "") + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + String(quote)
    }

    /// Python's `==`.
    func equals(_ other: Value) -> Bool {
        if let a = number, let b = other.number { return a == b }
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let a), .string(let b)): return a.text.utf8.elementsEqual(b.text.utf8)
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { $0.equals($1) }
        case (.dict(let a), .dict(let b)):
            return a.count == b.count && a.allSatisfy { entry in b.lookUp(entry.key.text)?.equals(entry.value) ?? false }
        default: return false
        }
    }

    /// Python's `<`; nil where the types have no order.
    func isLess(than other: Value) -> Bool? {
        if let a = number, let b = other.number { return a < b }
        switch (self, other) {
        case (.string(let a), .string(let b)):
            return a.text.unicodeScalars.lexicographicallyPrecedes(b.text.unicodeScalars)
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            for (x, y) in zip(a, b) where !x.equals(y) { return x.isLess(than: y) }
            return a.count < b.count
        default: return nil
        }
    }
}

extension [Value.Entry] {
    /// The value under a key, compared byte by byte.
    func lookUp(_ key: String) -> Value? { first { $0.key.text.utf8.elementsEqual(key.utf8) }?.value }
}

/// `namespace()`: the only thing a template can change in place.
final class Namespace: @unchecked Sendable {
    // Confined to one rendering, which runs on one thread.
    var attributes: [String: Value]
    init(_ attributes: [String: Value]) { self.attributes = attributes }
}

/// The `loop` variable of a `for`.
struct LoopState: Sendable {
    var index0: Int
    var items: [Value]
    var depth: Int
}

/// A macro with the scope it was defined in being the template's own.
struct Macro: Sendable {
    let name: String
    let parameters: [Parameter]
    let body: [Statement]

    struct Parameter: Sendable {
        let name: String
        let fallback: Expression?
    }
}
