// Filters over lists: selection, mapping, ordering.

enum Sequences {
    static func apply(
        _ name: String, _ items: [Value], _ arguments: CallArguments, interpreter: Interpreter, line: Int
    ) throws(TemplateError) -> Value {
        func attribute(_ path: Value, of item: Value) throws(TemplateError) -> Value {
            var value = item
            for part in path.printed.text.split(separator: ".") {
                if let index = Int(part), case .list(let list) = value {
                    value = list.indices.contains(index) ? list[index] : .undefined(String(part))
                } else {
                    value = try interpreter.attribute(String(part), of: value, line: line)
                }
            }
            return value
        }
        func key(_ item: Value) throws(TemplateError) -> Value {
            guard let path = arguments.named.first(where: { $0.name == "attribute" })?.value else { return item }
            return try attribute(path, of: item)
        }
        switch name {
        case "select", "reject", "selectattr", "rejectattr":
            let usesAttribute = name.hasSuffix("attr")
            let wanted = name.hasPrefix("select")
            var rest = arguments.positional
            let path = usesAttribute && !rest.isEmpty ? rest.removeFirst() : Value.none
            let test = rest.isEmpty ? nil : rest.removeFirst().printed.text
            if let test, !ValueTests.isKnown(test) { throw TemplateError(.runtime, "unknown test '\(test.prefix(64))'", line: line) }
            var kept: [Value] = []
            for item in items {
                try interpreter.step(line)
                let subject = usesAttribute ? try attribute(path, of: item) : item
                let passes = try test.map { name throws(TemplateError) in try ValueTests.test(name, subject, rest, line: line) } ?? subject.isTrue
                if passes == wanted { kept.append(item) }
            }
            return .list(kept)
        case "map":
            var mapped: [Value] = []
            for item in items {
                try interpreter.step(line)
                if let path = arguments.named.first(where: { $0.name == "attribute" })?.value {
                    let value = try attribute(path, of: item)
                    let fallback = arguments.named.first { $0.name == "default" }?.value
                    mapped.append(value.isUndefined ? fallback ?? value : value)
                } else {
                    guard let filter = arguments.positional.first?.printed.text, Filters.isKnown(filter) else {
                        throw TemplateError(.runtime, "map needs a filter or an attribute", line: line)
                    }
                    var rest = arguments
                    rest.positional.removeFirst()
                    mapped.append(try Filters.apply(filter, to: item, rest, interpreter: interpreter, line: line))
                }
            }
            return .list(mapped)
        case "sort", "unique", "max", "min":
            var keyed: [(key: Value, item: Value)] = []
            for item in items { keyed.append((try key(item), item)) }
            if name == "unique" {
                var seen: [Value] = []
                return .list(
                    keyed.filter { pair in
                        if seen.contains(where: { $0.equals(pair.key) }) { return false }
                        seen.append(pair.key)
                        return true
                    }.map(\.item))
            }
            var isComparable = true
            keyed.sort { a, b in
                guard let less = fold(a.key).isLess(than: fold(b.key)) else {
                    isComparable = false
                    return false
                }
                return less
            }
            guard isComparable else { throw TemplateError(.runtime, "'<' not supported between these values", line: line) }
            if name == "max" { return keyed.last?.item ?? .undefined("max") }
            if name == "min" { return keyed.first?.item ?? .undefined("min") }
            let reversed = arguments.value(0, "reverse")?.isTrue ?? false
            return .list(reversed ? keyed.reversed().map(\.item) : keyed.map(\.item))
        default: throw TemplateError(.runtime, "unknown filter '\(name)'", line: line)
        }
    }

    /// Jinja compares text without case unless asked.
    private static func fold(_ value: Value) -> Value {
        if case .string(let text) = value { return .string(text.mapped { $0.lowercased() }) }
        return value
    }
}
