// Methods of strings, dictionaries and lists, as Python has them.
import Foundation

enum Methods {
    /// The result; nil when the type has no such method.
    static func call(
        _ name: String, on value: Value, _ arguments: CallArguments, interpreter: Interpreter, line: Int
    ) throws(TemplateError) -> Value? {
        switch value {
        case .string(let text): return try string(name, text, arguments, interpreter, line)
        case .dict(let entries): return try dictionary(name, entries, arguments, line)
        case .list(let items), .tuple(let items): return try list(name, items, arguments, line)
        case .loop(let loop) where name == "cycle":
            guard !arguments.positional.isEmpty else { throw TemplateError(.runtime, "no items for cycling given", line: line) }
            return arguments.positional[loop.index0 % arguments.positional.count]
        default: return nil
        }
    }

    private static func dictionary(
        _ name: String, _ entries: [Value.Entry], _ arguments: CallArguments, _ line: Int
    ) throws(TemplateError) -> Value? {
        // A key wins over a method of the same name only through subscripts, as in Jinja.
        switch name {
        case "items": return .list(entries.map { .tuple([.string($0.key), $0.value]) })
        case "keys": return .list(entries.map { .string($0.key) })
        case "values": return .list(entries.map(\.value))
        case "copy": return .dict(entries)
        case "get":
            guard let key = arguments.value(0, "key") else { throw TemplateError(.runtime, "get expected a key", line: line) }
            return entries.lookUp(key.printed.text) ?? arguments.value(1, "default") ?? Value.none
        default: return nil
        }
    }

    private static func list(
        _ name: String, _ items: [Value], _ arguments: CallArguments, _ line: Int
    ) throws(TemplateError) -> Value? {
        switch name {
        case "index":
            guard let item = arguments.value(0, "value"), let index = items.firstIndex(where: { $0.equals(item) }) else {
                throw TemplateError(.runtime, "value is not in list", line: line)
            }
            return .int(index)
        case "count":
            guard let item = arguments.value(0, "value") else { throw TemplateError(.runtime, "count expected a value", line: line) }
            return .int(items.count { $0.equals(item) })
        case "copy": return .list(items)
        case "append", "extend", "insert", "pop", "remove", "sort", "reverse", "clear":
            throw TemplateError(.runtime, "access to attribute '\(name)' of 'list' object is unsafe", line: line)
        default: return nil
        }
    }

    private static func string(
        _ name: String, _ text: TemplateString, _ arguments: CallArguments, _ interpreter: Interpreter, _ line: Int
    ) throws(TemplateError) -> Value? {
        func required(_ index: Int) throws(TemplateError) -> TemplateString {
            guard case .string(let value)? = arguments.value(index, "") else {
                throw TemplateError(.runtime, "\(name)() argument must be str", line: line)
            }
            return value
        }
        func affixes() throws(TemplateError) -> [String] {
            if case .tuple(let items)? = arguments.positional.first { return items.map(\.printed.text) }
            return [try required(0).text]
        }
        func stripped(_ leading: Bool, _ trailing: Bool) throws(TemplateError) -> Value {
            if arguments.positional.isEmpty { return .string(text.stripped(leading: leading, trailing: trailing) { $0.isPythonSpace }) }
            if case .none = arguments.positional[0] {
                return .string(text.stripped(leading: leading, trailing: trailing) { $0.isPythonSpace })
            }
            let set = Set(try required(0).text.unicodeScalars)
            return .string(text.stripped(leading: leading, trailing: trailing) { set.contains($0) })
        }
        switch name {
        case "strip": return try stripped(true, true)
        case "lstrip": return try stripped(true, false)
        case "rstrip": return try stripped(false, true)
        case "startswith":
            let prefixes = try affixes()
            return .bool(prefixes.contains { text.text.utf8.starts(with: $0.utf8) })
        case "endswith":
            let bytes = Array(text.text.utf8)
            return .bool(try affixes().contains { bytes.count >= $0.utf8.count && bytes.suffix($0.utf8.count).elementsEqual($0.utf8) })
        case "split", "rsplit":
            let max = arguments.value(1, "maxsplit")?.integer ?? -1
            var separator: [Unicode.Scalar]?
            if let first = arguments.value(0, "sep"), case .string(let value) = first { separator = Array(value.text.unicodeScalars) }
            if separator?.isEmpty == true { throw TemplateError(.runtime, "empty separator", line: line) }
            let parts = text.split(by: separator, max: name == "split" ? max : -1)
            guard name == "rsplit", max >= 0, parts.count > max + 1, let separator else { return .list(parts.map { .string($0) }) }
            var head = parts[0]
            for part in parts[1..<(parts.count - max)] {
                head.append(String(String.UnicodeScalarView(separator)), isTrusted: text.isTrusted)
                head.append(part)
            }
            return .list(([head] + parts.suffix(max)).map { .string($0) })
        case "splitlines":
            var lines = text.split(by: ["\n"], max: -1)
            if lines.last?.isEmpty == true { lines.removeLast() }
            return .list(lines.map { .string($0.stripped(leading: false, trailing: true) { $0 == "\r" }) })
        case "upper": return .string(text.mapped { $0.uppercased() })
        case "lower": return .string(text.mapped { $0.lowercased() })
        case "title": return .string(text.mapped { $0.capitalized })
        case "capitalize": return .string(text.mapped { $0.prefix(1).uppercased() + $0.dropFirst().lowercased() })
        case "replace":
            return .string(
                try replaced(text, try required(0), by: try required(1), count: arguments.value(2, "count")?.integer, interpreter, line))
        case "join":
            guard let items = arguments.positional.first else { throw TemplateError(.runtime, "join expected a list", line: line) }
            return .string(try joined(try interpreter.iterate(items, line: line), by: text, interpreter, line))
        case "find", "index":
            let part = try required(0).text
            guard let range = text.text.range(of: part, options: .literal) else {
                if name == "index" { throw TemplateError(.runtime, "substring not found", line: line) }
                return .int(part.isEmpty ? 0 : -1)
            }
            return .int(text.text.unicodeScalars.distance(from: text.text.startIndex, to: range.lowerBound))
        case "count": return .int(text.split(by: Array(try required(0).text.unicodeScalars), max: -1).count - 1)
        case "isdigit", "isnumeric", "isdecimal":
            return .bool(!text.isEmpty && text.text.unicodeScalars.allSatisfy { $0.properties.numericType != nil })
        case "isalpha": return .bool(!text.isEmpty && text.text.unicodeScalars.allSatisfy { $0.properties.isAlphabetic })
        case "isalnum":
            return .bool(
                !text.isEmpty && text.text.unicodeScalars.allSatisfy { $0.properties.isAlphabetic || $0.properties.numericType != nil })
        case "isspace": return .bool(!text.isEmpty && text.text.unicodeScalars.allSatisfy { $0.isPythonSpace })
        case "islower": return .bool(text.text == text.text.lowercased() && text.text != text.text.uppercased())
        case "isupper": return .bool(text.text == text.text.uppercased() && text.text != text.text.lowercased())
        case "removeprefix", "removesuffix":
            let affix = try required(0).text.unicodeScalars
            let all = text.scalars
            if name == "removeprefix" {
                return .string(all.values.starts(with: affix) ? all.slice(affix.count..<all.count) : text)
            }
            return .string(all.values.suffix(affix.count).elementsEqual(affix) ? all.slice(0..<(all.count - affix.count)) : text)
        default: return nil
        }
    }

    /// Python's `str.replace`; trusted only when everything involved is.
    static func replaced(
        _ text: TemplateString, _ old: TemplateString, by new: TemplateString, count: Int?, _ interpreter: Interpreter, _ line: Int
    ) throws(TemplateError) -> TemplateString {
        let limit = count ?? -1
        if old.isEmpty {
            let scalars = text.scalars
            var out = TemplateString()
            for index in 0...scalars.count {
                if limit < 0 || index < limit { out.append(new) }
                if index < scalars.count { out.append(scalars.slice(index..<(index + 1))) }
                try interpreter.requireOutput(out.byteCount, line: line)
            }
            return out
        }
        var out = TemplateString()
        for (index, part) in text.split(by: Array(old.text.unicodeScalars), max: limit).enumerated() {
            if index > 0 { out.append(new) }
            out.append(part)
            try interpreter.requireOutput(out.byteCount, line: line)
        }
        return out
    }

    static func joined(
        _ items: [Value], by separator: TemplateString, _ interpreter: Interpreter, _ line: Int
    ) throws(TemplateError) -> TemplateString {
        var out = TemplateString()
        for (index, item) in items.enumerated() {
            if index > 0 { out.append(separator) }
            out.append(item.printed)
            try interpreter.requireOutput(out.byteCount, line: line)
        }
        return out
    }
}
