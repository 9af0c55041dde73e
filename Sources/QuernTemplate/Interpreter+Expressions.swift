// Evaluation of expressions.

/// Evaluated arguments of a call.
struct CallArguments {
    var positional: [Value] = []
    var named: [(name: String, value: Value)] = []

    func value(_ index: Int, _ name: String) -> Value? {
        index < positional.count ? positional[index] : named.first { $0.name == name }?.value
    }
}

extension Interpreter {
    func evaluate(_ arguments: Arguments) throws(TemplateError) -> CallArguments {
        var list = CallArguments()
        for expression in arguments.positional { list.positional.append(try evaluate(expression)) }
        for (name, expression) in arguments.named { list.named.append((name, try evaluate(expression))) }
        return list
    }

    func evaluate(_ expression: Expression) throws(TemplateError) -> Value {
        try step()
        switch expression {
        case .literal(let value): return value
        case .name(let name, _):
            if let value = lookUp(name) { return value }
            return Globals.names.contains(name) ? .function(name) : .undefined(name)
        case .list(let items): return .list(try evaluateAll(items))
        case .tuple(let items): return .tuple(try evaluateAll(items))
        case .dict(let pairs): return try dictionary(pairs)
        case .attribute(let object, let name, let line): return try attribute(name, of: try evaluate(object), line: line)
        case .item(let object, let key, let line):
            return try item(try evaluate(key), of: try evaluate(object), line: line)
        case .slice(let object, let start, let stop, let stride, let line):
            return try slice(try evaluate(object), try bound(start), try bound(stop), try bound(stride), line: line)
        case .call(let callee, let arguments, let line): return try call(callee, arguments, line: line)
        case .filter(let value, let name, let arguments, let line):
            return try Filters.apply(name, to: try evaluate(value), try evaluate(arguments), interpreter: self, line: line)
        case .test(let value, let name, let arguments, let isNegated, let line):
            let result = try ValueTests.test(name, try evaluate(value), try evaluateAll(arguments), line: line)
            return .bool(result != isNegated)
        case .not(let value): return .bool(!(try evaluate(value).isTrue))
        case .negate(let value, let line): return try negated(try evaluate(value), line: line)
        case .binary(let op, let left, let right, let line):
            return try Arithmetic.apply(op, try evaluate(left), try evaluate(right), interpreter: self, line: line)
        case .compare(let first, let rest, let line): return try compare(first, rest, line: line)
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .conditional(let condition, let then, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(then) }
            return try otherwise.map { expression throws(TemplateError) in try evaluate(expression) } ?? .undefined("else")
        }
    }

    private func evaluateAll(_ expressions: [Expression]) throws(TemplateError) -> [Value] {
        var values: [Value] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    private func dictionary(_ pairs: [(Expression, Expression)]) throws(TemplateError) -> Value {
        var entries: [Value.Entry] = []
        for (key, value) in pairs {
            let name = try evaluate(key).printed
            let entry = Value.Entry(key: name, value: try evaluate(value))
            if let index = entries.firstIndex(where: { $0.key.text.utf8.elementsEqual(name.text.utf8) }) {
                entries[index] = entry
            } else {
                entries.append(entry)
            }
        }
        return .dict(entries)
    }

    private func bound(_ expression: Expression?) throws(TemplateError) -> Int? {
        guard let expression else { return nil }
        return try evaluate(expression).integer
    }

    private func negated(_ value: Value, line: Int) throws(TemplateError) -> Value {
        if let integer = value.integer {
            let (result, overflow) = 0.subtractingReportingOverflow(integer)
            if !overflow { return .int(result) }
        } else if case .double(let number) = value {
            return .double(-number)
        }
        throw TemplateError(.runtime, "bad operand type for unary -: '\(value.typeName)'", line: line)
    }

    private func compare(
        _ first: Expression, _ rest: [(CompareOperator, Expression)], line: Int
    ) throws(TemplateError) -> Value {
        var left = try evaluate(first)
        for (op, expression) in rest {
            let right = try evaluate(expression)
            guard try Arithmetic.compare(op, left, right, line: line) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    // ---- attributes and items ----

    func attribute(_ name: String, of value: Value, line: Int) throws(TemplateError) -> Value {
        switch value {
        case .undefined(let missing): throw TemplateError(.runtime, "'\(missing)' is undefined", line: line)
        case .dict(let entries): return entries.lookUp(name) ?? .undefined(name)
        case .namespace(let namespace): return namespace.attributes[name] ?? .undefined(name)
        case .loop(let loop): return loop.attribute(name)
        default: return .undefined(name)
        }
    }

    private func item(_ key: Value, of value: Value, line: Int) throws(TemplateError) -> Value {
        switch (value, key) {
        case (.undefined(let missing), _): throw TemplateError(.runtime, "'\(missing)' is undefined", line: line)
        case (.list(let items), _), (.tuple(let items), _):
            guard let index = key.integer else { return .undefined("item") }
            let place = index < 0 ? index &+ items.count : index
            return items.indices.contains(place) ? items[place] : .undefined("item \(index)")
        case (.string(let text), _):
            guard let index = key.integer else { return .undefined("item") }
            let scalars = text.scalars
            let place = index < 0 ? index &+ scalars.count : index
            return place >= 0 && place < scalars.count ? .string(scalars.slice(place..<(place + 1))) : .undefined("item")
        default: return try attribute(key.printed.text, of: value, line: line)
        }
    }

    private func slice(_ value: Value, _ start: Int?, _ stop: Int?, _ stride: Int?, line: Int) throws(TemplateError) -> Value {
        let count: Int
        var scalars: TemplateString.Scalars?
        switch value {
        case .list(let items), .tuple(let items): count = items.count
        case .string(let text):
            scalars = text.scalars
            count = scalars?.count ?? 0
        case .undefined: return .list([])
        default: throw TemplateError(.runtime, "'\(value.typeName)' object is not subscriptable", line: line)
        }
        let by = stride ?? 1
        guard by != 0 else { throw TemplateError(.runtime, "slice step cannot be zero", line: line) }
        func clamp(_ index: Int?, _ fallback: Int, low: Int, high: Int) -> Int {
            guard let index else { return fallback }
            return min(max(index < 0 ? index &+ count : index, low), high)
        }
        var indices: [Int] = []
        if by > 0 {
            let end = clamp(stop, count, low: 0, high: count)
            var index = clamp(start, 0, low: 0, high: count)
            while index < end {
                indices.append(index)
                index = by > count ? end : index + by
            }
        } else {
            let end = clamp(stop, -1, low: -1, high: count - 1)
            var index = clamp(start, count - 1, low: -1, high: count - 1)
            while index > end {
                indices.append(index)
                index = by < -count ? end : index + by
            }
        }
        switch value {
        case .list(let items): return .list(indices.map { items[$0] })
        case .tuple(let items): return .tuple(indices.map { items[$0] })
        default: return .string(scalars?.pick(indices) ?? TemplateString())
        }
    }

    // ---- calls ----

    private func call(_ callee: Expression, _ arguments: Arguments, line: Int) throws(TemplateError) -> Value {
        if case .attribute(let object, let name, _) = callee {
            let value = try evaluate(object)
            let evaluated = try evaluate(arguments)
            if let result = try Methods.call(name, on: value, evaluated, interpreter: self, line: line) { return result }
            return try call(try attribute(name, of: value, line: line), named: name, evaluated, line: line)
        }
        let value = try evaluate(callee)
        return try call(value, named: "object", try evaluate(arguments), line: line)
    }

    private func call(_ value: Value, named name: String, _ arguments: CallArguments, line: Int) throws(TemplateError) -> Value {
        switch value {
        case .macro(let macro): return try call(macro, arguments, line: line)
        case .function(let name): return try Globals.call(name, arguments, interpreter: self, line: line)
        case .undefined(let missing): throw TemplateError(.runtime, "'\(missing)' is undefined", line: line)
        default: throw TemplateError(.runtime, "'\(value.typeName)' object is not callable", line: line)
        }
    }

    private func call(_ macro: Macro, _ arguments: CallArguments, line: Int) throws(TemplateError) -> Value {
        guard arguments.positional.count <= macro.parameters.count else {
            throw TemplateError(.runtime, "macro '\(macro.name)' takes not more than \(macro.parameters.count) argument(s)", line: line)
        }
        for (name, _) in arguments.named where !macro.parameters.contains(where: { $0.name == name }) {
            throw TemplateError(.runtime, "macro '\(macro.name)' takes no keyword argument '\(name)'", line: line)
        }
        // A macro sees the template's own scope and its arguments, not its caller's loop variables.
        let outer = scopes
        scopes = Array(scopes.prefix(2)) + [[:]]
        defer { scopes = outer }
        for (index, parameter) in macro.parameters.enumerated() {
            var value = arguments.value(index, parameter.name)
            if value == nil, let fallback = parameter.fallback { value = try evaluate(fallback) }
            assign(parameter.name, value ?? .undefined(parameter.name))
        }
        return .string(try nested(line: line) { () throws(TemplateError) in try capture(macro.body) })
    }
}

extension LoopState {
    func attribute(_ name: String) -> Value {
        switch name {
        case "index": .int(index0 + 1)
        case "index0": .int(index0)
        case "revindex": .int(items.count - index0)
        case "revindex0": .int(items.count - index0 - 1)
        case "first": .bool(index0 == 0)
        case "last": .bool(index0 == items.count - 1)
        case "length": .int(items.count)
        case "depth": .int(depth)
        case "depth0": .int(depth - 1)
        case "previtem": index0 > 0 ? items[index0 - 1] : .undefined("previtem")
        case "nextitem": index0 + 1 < items.count ? items[index0 + 1] : .undefined("nextitem")
        default: .undefined(name)
        }
    }
}
