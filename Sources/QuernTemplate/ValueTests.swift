// Jinja's tests: what may stand after `is`.

enum ValueTests {
    private static let names: Set<String> = [
        "defined", "undefined", "none", "true", "false", "boolean", "string", "number", "integer", "float", "mapping",
        "iterable", "sequence", "callable", "even", "odd", "divisibleby", "lower", "upper", "in", "sameas", "eq", "equalto",
        "ne", "lt", "lessthan", "le", "gt", "greaterthan", "ge", "==", "!=", "<", ">", "<=", ">=",
    ]

    static func isKnown(_ name: String) -> Bool { names.contains(name) }

    static func test(_ name: String, _ value: Value, _ arguments: [Value], line: Int) throws(TemplateError) -> Bool {
        func argument() throws(TemplateError) -> Value {
            guard let first = arguments.first else { throw TemplateError(.runtime, "test '\(name)' needs an argument", line: line) }
            return first
        }
        func integer() throws(TemplateError) -> Int {
            guard let number = value.integer else { throw TemplateError(.runtime, "test '\(name)' needs an integer", line: line) }
            return number
        }
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": if case .none = value { return true } else { return false }
        case "true": if case .bool(true) = value { return true } else { return false }
        case "false": if case .bool(false) = value { return true } else { return false }
        case "boolean": if case .bool = value { return true } else { return false }
        case "string": if case .string = value { return true } else { return false }
        case "number": return value.number != nil
        case "integer":
            switch value {
            case .int, .bigInteger: return true
            default: return false
            }
        case "float": if case .double = value { return true } else { return false }
        case "mapping": if case .dict = value { return true } else { return false }
        case "callable":
            switch value {
            case .macro, .function: return true
            default: return false
            }
        case "iterable", "sequence":
            switch value {
            case .list, .tuple, .dict, .string: return true
            case .undefined: return true
            default: return false
            }
        case "even": return try integer() % 2 == 0
        case "odd": return try integer() % 2 != 0
        case "divisibleby":
            guard let divisor = try argument().integer, divisor != 0 else {
                throw TemplateError(.runtime, "division by zero", line: line)
            }
            return try integer().remainderReportingOverflow(dividingBy: divisor).partialValue == 0
        case "lower":
            let text = value.printed.text
            return text == text.lowercased() && text != text.uppercased()
        case "upper":
            let text = value.printed.text
            return text == text.uppercased() && text != text.lowercased()
        case "in": return try Arithmetic.compare(.contained, value, try argument(), line: line)
        case "sameas", "eq", "equalto", "==": return value.equals(try argument())
        case "ne", "!=": return !value.equals(try argument())
        case "lt", "lessthan", "<": return try Arithmetic.compare(.less, value, try argument(), line: line)
        case "le", "<=": return try Arithmetic.compare(.lessOrEqual, value, try argument(), line: line)
        case "gt", "greaterthan", ">": return try Arithmetic.compare(.greater, value, try argument(), line: line)
        case "ge", ">=": return try Arithmetic.compare(.greaterOrEqual, value, try argument(), line: line)
        default: throw TemplateError(.runtime, "unknown test '\(name)'", line: line)
        }
    }
}
