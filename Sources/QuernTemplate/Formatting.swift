// Python's `'%s' % value` for the conversions templates use.

enum Formatting {
    static func percent(
        _ format: TemplateString, _ value: Value, interpreter: Interpreter, line: Int
    ) throws(TemplateError) -> Value {
        var arguments: [Value]
        if case .tuple(let items) = value { arguments = items } else { arguments = [value] }
        arguments.reverse()
        var out = TemplateString()
        let scalars = format.scalars
        var index = 0
        func fail(_ message: String) -> TemplateError { TemplateError(.runtime, message, line: line) }
        while index < scalars.count {
            guard scalars.values[index] == "%" else {
                out.append(scalars.slice(index..<(index + 1)))
                index += 1
                continue
            }
            index += 1
            guard index < scalars.count else { throw fail("incomplete format") }
            let conversion = scalars.values[index]
            index += 1
            if conversion == "%" {
                out.append("%", isTrusted: true)
                continue
            }
            guard let argument = arguments.popLast() else { throw fail("not enough arguments for format string") }
            switch conversion {
            case "s": out.append(argument.printed)
            case "r": out.append(argument.represented, isTrusted: argument.isTrusted)
            case "d", "i":
                guard let number = argument.number, let whole = Int(exactly: number.rounded(.towardZero)) else {
                    throw fail("%d format: a number is required")
                }
                out.append(String(whole), isTrusted: true)
            default: throw fail("unsupported format character '\(conversion.escaped(asASCII: true))'")
            }
            try interpreter.requireOutput(out.byteCount, line: line)
        }
        guard arguments.isEmpty else { throw fail("not all arguments converted during string formatting") }
        return .string(out)
    }
}
