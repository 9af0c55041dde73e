// Operators. Integers are 64-bit: Python's would grow, here an overflow is an error.
import Foundation

enum Arithmetic {
    static func apply(
        _ op: BinaryOperator, _ left: Value, _ right: Value, interpreter: Interpreter, line: Int
    ) throws(TemplateError) -> Value {
        if op == .concatenate {
            let sum = left.printed + right.printed
            try interpreter.requireOutput(sum.byteCount, line: line)
            return .string(sum)
        }
        for value in [left, right] {
            if case .undefined(let name) = value { throw TemplateError(.runtime, "'\(name)' is undefined", line: line) }
        }
        switch (op, left, right) {
        case (.add, .string(let a), .string(let b)):
            try interpreter.requireOutput(a.byteCount + b.byteCount, line: line)
            return .string(a + b)
        case (.add, .list(let a), .list(let b)): return .list(try join(a, b, interpreter, line))
        case (.add, .tuple(let a), .tuple(let b)): return .tuple(try join(a, b, interpreter, line))
        case (.multiply, .string(let text), _) where right.integer != nil:
            return try repeated(text, right.integer ?? 0, interpreter, line)
        case (.multiply, _, .string(let text)) where left.integer != nil:
            return try repeated(text, left.integer ?? 0, interpreter, line)
        case (.modulo, .string(let format), _): return try Formatting.percent(format, right, interpreter: interpreter, line: line)
        default: return try numbers(op, left, right, line: line)
        }
    }

    private static func join(
        _ a: [Value], _ b: [Value], _ interpreter: Interpreter, _ line: Int
    ) throws(TemplateError) -> [Value] {
        guard a.count + b.count <= interpreter.limits.rangeCount * 10 else {
            throw TemplateError(.limit, "a list exceeds \(interpreter.limits.rangeCount * 10) items", line: line)
        }
        return a + b
    }

    private static func repeated(
        _ text: TemplateString, _ count: Int, _ interpreter: Interpreter, _ line: Int
    ) throws(TemplateError) -> Value {
        guard count > 0, !text.isEmpty else { return .string(TemplateString()) }
        let (bytes, overflow) = text.byteCount.multipliedReportingOverflow(by: count)
        try interpreter.requireOutput(overflow ? .max : bytes, line: line)
        var out = TemplateString()
        for _ in 0..<count { out.append(text) }
        return .string(out)
    }

    private static func numbers(
        _ op: BinaryOperator, _ left: Value, _ right: Value, line: Int
    ) throws(TemplateError) -> Value {
        func fail(_ message: String) -> TemplateError { TemplateError(.runtime, message, line: line) }
        guard let x = left.number, let y = right.number else {
            throw fail("unsupported operand types: '\(left.typeName)' and '\(right.typeName)'")
        }
        if op == .divide || op == .floorDivide || op == .modulo, y == 0 { throw fail("division by zero") }
        if let a = left.integer, let b = right.integer {
            let result: (partialValue: Int, overflow: Bool)
            switch op {
            case .add: result = a.addingReportingOverflow(b)
            case .subtract: result = a.subtractingReportingOverflow(b)
            case .multiply: result = a.multipliedReportingOverflow(by: b)
            case .floorDivide:
                let (quotient, overflow) = a.dividedReportingOverflow(by: b)
                result = (quotient - (!overflow && a % b != 0 && (a < 0) != (b < 0) ? 1 : 0), overflow)
            case .modulo:
                let (rest, overflow) = a.remainderReportingOverflow(dividingBy: b)
                result = (rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest, overflow)
            case .power where b >= 0 && b < 64:
                var product = (partialValue: 1, overflow: false)
                for _ in 0..<b where !product.overflow { product = product.partialValue.multipliedReportingOverflow(by: a) }
                result = product
            default: return .double(op == .power ? pow(x, y) : x / y)
            }
            guard !result.overflow else { throw fail("integer overflow") }
            return .int(result.partialValue)
        }
        switch op {
        case .add: return .double(x + y)
        case .subtract: return .double(x - y)
        case .multiply: return .double(x * y)
        case .divide: return .double(x / y)
        case .floorDivide: return .double((x / y).rounded(.down))
        case .modulo: return .double(x - (x / y).rounded(.down) * y)
        case .power: return .double(pow(x, y))
        case .concatenate: throw fail("unsupported operand")
        }
    }

    static func compare(_ op: CompareOperator, _ left: Value, _ right: Value, line: Int) throws(TemplateError) -> Bool {
        switch op {
        case .equal: return left.equals(right)
        case .notEqual: return !left.equals(right)
        case .contained: return try contains(right, left, line: line)
        case .notContained: return !(try contains(right, left, line: line))
        case .less: return try order(left, right, line)
        case .greater: return try order(right, left, line)
        case .lessOrEqual: return left.equals(right) ? true : try order(left, right, line)
        case .greaterOrEqual: return left.equals(right) ? true : try order(right, left, line)
        }
    }

    private static func order(_ a: Value, _ b: Value, _ line: Int) throws(TemplateError) -> Bool {
        guard let less = a.isLess(than: b) else {
            throw TemplateError(.runtime, "'<' not supported between '\(a.typeName)' and '\(b.typeName)'", line: line)
        }
        return less
    }

    private static func contains(_ container: Value, _ item: Value, line: Int) throws(TemplateError) -> Bool {
        switch (container, item) {
        case (.list(let items), _), (.tuple(let items), _): return items.contains { $0.equals(item) }
        case (.string(let text), .string(let part)):
            return part.isEmpty || text.text.range(of: part.text, options: .literal) != nil
        case (.string, _):
            throw TemplateError(.runtime, "'in <string>' requires string as left operand, not \(item.typeName)", line: line)
        case (.dict(let entries), .string(let key)): return entries.lookUp(key.text) != nil
        case (.dict, _), (.undefined, _): return false
        default: throw TemplateError(.runtime, "argument of type '\(container.typeName)' is not iterable", line: line)
        }
    }
}
