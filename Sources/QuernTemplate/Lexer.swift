// Template source to tokens.
//
// Settings are those of Hugging Face's chat templates: trim_blocks and lstrip_blocks on, one trailing newline dropped.
// Invariant: offsets only grow; unterminated tags are errors with the line they opened on.

struct Token: Sendable {
    enum Kind: Sendable, Equatable {
        case text(String)
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string(String)
        case integer(Int)
        case float(Double)
        case symbol(String)
        case end
    }

    let kind: Kind
    let line: Int
}

struct Lexer {
    private let source: [Unicode.Scalar]
    private var position = 0
    private var line = 1
    private var tokens: [Token] = []

    init(_ text: String) {
        var scalars = Array(text.replacingLineEndings.unicodeScalars)
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    static func tokens(_ text: String) throws(TemplateError) -> [Token] {
        var lexer = Lexer(text)
        try lexer.run()
        return lexer.tokens
    }

    private func fail(_ message: String, line: Int? = nil) -> TemplateError {
        TemplateError(.syntax, message, line: line ?? self.line)
    }

    private func at(_ offset: Int) -> Unicode.Scalar? { offset < source.count ? source[offset] : nil }

    private func matches(_ text: String, at offset: Int) -> Bool {
        var index = offset
        for scalar in text.unicodeScalars {
            guard at(index) == scalar else { return false }
            index += 1
        }
        return true
    }

    private mutating func run() throws(TemplateError) {
        var trimsNext = false       // the tag before ended in "-"
        var dropsNewline = false    // trim_blocks
        while position < source.count {
            let start = position
            while position < source.count, !(at(position) == "{" && ["{", "%", "#"].contains(at(position + 1))) { position += 1 }
            var text = Array(source[start..<position])
            if dropsNewline, text.first == "\n" {
                text.removeFirst()
                line += 1
            }
            let newlines = text.count { $0 == "\n" }
            if trimsNext { text = Array(text.drop { $0.isPythonSpace }) }
            trimsNext = false
            dropsNewline = false
            guard position < source.count else {
                emitText(text)
                line += newlines
                break
            }
            let opener = at(position + 1)
            let modifier = at(position + 2)
            if modifier == "-" {
                while let last = text.last, last.isPythonSpace { text.removeLast() }
            } else if modifier != "+", opener != "{" {
                stripLineStart(&text, from: start)
            }
            emitText(text)
            line += newlines
            position += 2
            if modifier == "-" || modifier == "+" { position += 1 }
            switch opener {
            case "#": (trimsNext, dropsNewline) = try comment()
            case "{": trimsNext = try tag(.variableBegin, .variableEnd, closer: "}}").trims
            default:
                if let raw = try rawBlock() {
                    (trimsNext, dropsNewline) = raw
                } else {
                    let end = try tag(.blockBegin, .blockEnd, closer: "%}")
                    (trimsNext, dropsNewline) = (end.trims, !end.keeps)
                }
            }
        }
        tokens.append(Token(kind: .end, line: line))
    }

    private mutating func emitText(_ text: [Unicode.Scalar]) {
        guard !text.isEmpty else { return }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: text)
        tokens.append(Token(kind: .text(String(view)), line: line))
    }

    /// lstrip_blocks: spaces and tabs between the start of the line and a block tag go.
    private func stripLineStart(_ text: inout [Unicode.Scalar], from start: Int) {
        var end = text.count
        while end > 0, text[end - 1] == " " || text[end - 1] == "\t" { end -= 1 }
        let beginsLine = end > 0 ? text[end - 1] == "\n" : (position - text.count == 0 || at(position - text.count - 1) == "\n")
        if beginsLine { text.removeLast(text.count - end) }
    }

    private mutating func comment() throws(TemplateError) -> (Bool, Bool) {
        let opened = line
        while position < source.count {
            if matches("#}", at: position) {
                let trims = at(position - 1) == "-"
                position += 2
                return (trims, true)
            }
            if at(position) == "\n" { line += 1 }
            position += 1
        }
        throw fail("unterminated comment", line: opened)
    }

    /// `{% raw %}…{% endraw %}` just after the opening of a block tag; nil when this is another tag.
    private mutating func rawBlock() throws(TemplateError) -> (Bool, Bool)? {
        var index = position
        func skipSpace() { while let c = at(index), c.isPythonSpace { index += 1 } }
        skipSpace()
        guard matches("raw", at: index) else { return nil }
        index += 3
        skipSpace()
        if at(index) == "-" { index += 1 }
        guard matches("%}", at: index) else { return nil }
        index += 2
        let start = index
        let opened = line
        while index < source.count {
            if matches("{%", at: index) {
                let end = index
                var probe = index + 2
                if at(probe) == "-" { probe += 1 }
                while let c = at(probe), c.isPythonSpace { probe += 1 }
                if matches("endraw", at: probe) {
                    probe += 6
                    while let c = at(probe), c.isPythonSpace { probe += 1 }
                    let trims = at(probe) == "-"
                    if trims { probe += 1 }
                    guard matches("%}", at: probe) else { throw fail("malformed endraw", line: opened) }
                    let text = Array(source[start..<end])
                    emitText(text)
                    line += source[position..<probe].count { $0 == "\n" }
                    position = probe + 2
                    return (trims, true)
                }
            }
            index += 1
        }
        throw fail("unterminated raw block", line: opened)
    }

    private mutating func tag(
        _ begin: Token.Kind, _ end: Token.Kind, closer: String
    ) throws(TemplateError) -> (trims: Bool, keeps: Bool) {
        tokens.append(Token(kind: begin, line: line))
        let opened = line
        var braces = 0
        while position < source.count {
            guard let scalar = at(position) else { break }
            if scalar.isPythonSpace {
                if scalar == "\n" { line += 1 }
                position += 1
                continue
            }
            if braces == 0 {
                for (prefix, trims, keeps) in [("-", true, false), ("+", false, true), ("", false, false)]
                where matches(prefix + closer, at: position) {
                    position += prefix.unicodeScalars.count + 2
                    tokens.append(Token(kind: end, line: line))
                    return (trims, keeps)
                }
            }
            if scalar == "{" { braces += 1 }
            if scalar == "}" { braces -= 1 }
            try token(scalar)
        }
        throw fail("unterminated tag", line: opened)
    }

    private mutating func token(_ scalar: Unicode.Scalar) throws(TemplateError) {
        if scalar == "'" || scalar == "\"" { return try string(quote: scalar) }
        if scalar.properties.numericType == .decimal, scalar.isASCII { return try number() }
        if scalar == "_" || scalar.properties.isXIDStart {
            let start = position
            while let next = at(position), next == "_" || next.properties.isXIDContinue { position += 1 }
            return append(.name(text(start..<position)))
        }
        for symbol in ["**", "//", "==", "!=", "<=", ">="] where matches(symbol, at: position) {
            position += 2
            return append(.symbol(symbol))
        }
        guard "+-*/%~()[]{}.,:|<>=".unicodeScalars.contains(scalar) else {
            throw fail("unexpected character \(scalar.escaped(asASCII: true))")
        }
        position += 1
        append(.symbol(String(scalar)))
    }

    private func text(_ range: Range<Int>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: source[range])
        return String(view)
    }

    private mutating func append(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    private mutating func number() throws(TemplateError) {
        let start = position
        var isFloat = false
        func isDigit(_ scalar: Unicode.Scalar?) -> Bool { scalar.map { ("0"..."9").contains($0) || $0 == "_" } ?? false }
        while isDigit(at(position)) { position += 1 }
        if at(position) == ".", isDigit(at(position + 1)) {
            isFloat = true
            position += 1
            while isDigit(at(position)) { position += 1 }
        }
        if at(position) == "e" || at(position) == "E" {
            let signed = at(position + 1) == "-" || at(position + 1) == "+"
            if isDigit(at(position + (signed ? 2 : 1))) {
                isFloat = true
                position += signed ? 2 : 1
                while isDigit(at(position)) { position += 1 }
            }
        }
        let digits = text(start..<position).filter { $0 != "_" }
        if !isFloat, let value = Int(digits) { return append(.integer(value)) }
        guard let value = Double(digits) else { throw fail("malformed number \(digits.prefix(32))") }
        append(.float(value))
    }

    private mutating func string(quote: Unicode.Scalar) throws(TemplateError) {
        let opened = line
        position += 1
        var view = String.UnicodeScalarView()
        while let scalar = at(position), scalar != quote {
            position += 1
            if scalar == "\n" { line += 1 }
            guard scalar == "\\", let next = at(position) else {
                view.append(scalar)
                continue
            }
            position += 1
            switch next {
            case "n": view.append("\n")
            case "t": view.append("\t")
            case "r": view.append("\r")
            case "b": view.append("\u{8}")
            case "f": view.append("\u{c}")
            case "0": view.append("\0")
            case "\\", "'", "\"": view.append(next)
            case "x": view.append(try escaped(digits: 2))
            case "u": view.append(try escaped(digits: 4))
            case "U": view.append(try escaped(digits: 8))
            default:
                view.append("\\")
                view.append(next)
            }
        }
        guard position < source.count else { throw fail("unterminated string", line: opened) }
        position += 1
        append(.string(String(view)))
    }

    private mutating func escaped(digits: Int) throws(TemplateError) -> Unicode.Scalar {
        guard position + digits <= source.count, let code = UInt32(text(position..<(position + digits)), radix: 16),
            let scalar = Unicode.Scalar(code)
        else { throw fail("malformed escape in a string") }
        position += digits
        return scalar
    }
}

extension String {
    /// Carriage returns become newlines, as Jinja reads its source.
    fileprivate var replacingLineEndings: String {
        guard utf8.contains(0x0D) else { return self }
        var view = String.UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in unicodeScalars {
            if scalar == "\n", previous == "\r" {
                previous = scalar
                continue
            }
            view.append(scalar == "\r" ? "\n" : scalar)
            previous = scalar
        }
        return String(view)
    }
}
