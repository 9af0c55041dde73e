// Functions every template can call.

enum Globals {
    static let names: Set<String> = ["range", "namespace", "dict", "raise_exception", "strftime_now"]

    static func call(
        _ name: String, _ arguments: CallArguments, interpreter: Interpreter, line: Int
    ) throws(TemplateError) -> Value {
        switch name {
        case "range": return try range(arguments, limit: interpreter.limits.rangeCount, line: line)
        case "namespace": return .namespace(Namespace(try members(arguments, interpreter, line)))
        case "dict":
            let members = try members(arguments, interpreter, line)
            let order = arguments.named.map(\.name)
            let keys = members.keys.sorted { (order.firstIndex(of: $0) ?? 0, $0) < (order.firstIndex(of: $1) ?? 0, $1) }
            return .dict(keys.map { Value.Entry(key: TemplateString($0, isTrusted: true), value: members[$0] ?? .none) })
        case "raise_exception":
            throw TemplateError(.raised, String(arguments.positional.first?.printed.text.prefix(512) ?? ""), line: line)
        case "strftime_now":
            guard case .string(let format)? = arguments.positional.first else {
                throw TemplateError(.runtime, "strftime_now needs a format", line: line)
            }
            return .text(try interpreter.clock.format(format.text, line: line))
        default: throw TemplateError(.runtime, "'\(name)' is undefined", line: line)
        }
    }

    private static func range(_ arguments: CallArguments, limit: Int, line: Int) throws(TemplateError) -> Value {
        let numbers = arguments.positional.compactMap(\.integer)
        guard numbers.count == arguments.positional.count, (1...3).contains(numbers.count) else {
            throw TemplateError(.runtime, "range() needs one to three integers", line: line)
        }
        let start = numbers.count > 1 ? numbers[0] : 0
        let stop = numbers.count > 1 ? numbers[1] : numbers[0]
        let step = numbers.count > 2 ? numbers[2] : 1
        guard step != 0 else { throw TemplateError(.runtime, "range() arg 3 must not be zero", line: line) }
        let span = step > 0 ? Double(stop) - Double(start) : Double(start) - Double(stop)
        let count = max(0, (span / Double(step.magnitude)).rounded(.up))
        guard count <= Double(limit) else { throw TemplateError(.limit, "range() \(Int64(min(count, 9e18))) > \(limit)", line: line) }
        var items: [Value] = []
        var value = start
        for _ in 0..<Int(count) {
            items.append(.int(value))
            value = value.addingReportingOverflow(step).partialValue
        }
        return .list(items)
    }

    private static func members(
        _ arguments: CallArguments, _ interpreter: Interpreter, _ line: Int
    ) throws(TemplateError) -> [String: Value] {
        var members: [String: Value] = [:]
        for value in arguments.positional {
            guard case .dict(let entries) = value else { throw TemplateError(.runtime, "expected a mapping", line: line) }
            for entry in entries { members[entry.key.text] = entry.value }
        }
        for (name, value) in arguments.named { members[name] = value }
        return members
    }
}
