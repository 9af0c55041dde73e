// Tokens to a syntax tree: the statements. Expressions are in Parser+Expressions.swift.
//
// Invariant: nesting is counted in `depth`, so that no template can exhaust the stack.

struct Parser {
    private let tokens: [Token]
    private var position = 0
    private let maxDepth: Int
    private var depth = 0
    /// Inside an `if`, Jinja reports unknown filters and tests only when they are reached.
    private(set) var isConditional = false

    init(_ tokens: [Token], maxDepth: Int) {
        self.tokens = tokens
        self.maxDepth = maxDepth
    }

    static func parse(_ source: String, limits: TemplateLimits) throws(TemplateError) -> [Statement] {
        guard source.utf8.count <= limits.sourceBytes else {
            throw TemplateError(.limit, "the template has \(source.utf8.count) bytes, the limit is \(limits.sourceBytes)", line: 1)
        }
        var parser = Parser(try Lexer.tokens(source), maxDepth: limits.depth)
        let body = try parser.statements(until: [])
        return body
    }

    var current: Token { tokens[position] }
    var line: Int { current.line }

    func fail(_ message: String) -> TemplateError { TemplateError(.syntax, message, line: line) }

    mutating func advance() { if position < tokens.count - 1 { position += 1 } }

    func isSymbol(_ text: String) -> Bool { current.kind == .symbol(text) }
    func isName(_ text: String) -> Bool { current.kind == .name(text) }

    mutating func accept(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func accept(name: String) -> Bool {
        guard isName(name) else { return false }
        advance()
        return true
    }

    mutating func expect(symbol: String) throws(TemplateError) {
        guard accept(symbol: symbol) else { throw fail("expected '\(symbol)'") }
    }

    mutating func name(_ what: String) throws(TemplateError) -> String {
        guard case .name(let text) = current.kind else { throw fail("expected \(what)") }
        advance()
        return text
    }

    mutating func nested<T>(_ body: (inout Parser) throws(TemplateError) -> T) throws(TemplateError) -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= maxDepth else { throw TemplateError(.limit, "nesting deeper than \(maxDepth)", line: line) }
        return try body(&self)
    }

    /// Peeks at the name that opens the block tag at `current`.
    private var blockName: String? {
        guard current.kind == .blockBegin, position + 1 < tokens.count, case .name(let name) = tokens[position + 1].kind else {
            return nil
        }
        return name
    }

    /// Statements up to a block tag named in `ends` (not consumed), or to the end of the template.
    private mutating func statements(until ends: Set<String>) throws(TemplateError) -> [Statement] {
        var list: [Statement] = []
        while true {
            switch current.kind {
            case .end:
                guard ends.isEmpty else { throw fail("unexpected end of template, expected \(ends.sorted().joined(separator: " or "))") }
                return list
            case .text(let text):
                list.append(.text(text))
                advance()
            case .variableBegin:
                let line = line
                advance()
                list.append(.output(try expressionList(), line: line))
                guard current.kind == .variableEnd else { throw fail("expected '}}'") }
                advance()
            case .blockBegin:
                if let name = blockName, ends.contains(name) { return list }
                advance()
                if let statement = try nested({ parser throws(TemplateError) in try parser.block() }) { list.append(statement) }
            default: throw fail("unexpected token")
            }
        }
    }

    private mutating func endBlock() throws(TemplateError) {
        guard current.kind == .blockEnd else { throw fail("expected '%}'") }
        advance()
    }

    /// Body of a block up to `{% end %}`, which is consumed.
    private mutating func body(end: String) throws(TemplateError) -> [Statement] {
        try endBlock()
        let list = try statements(until: [end])
        advance()
        advance()
        try endBlock()
        return list
    }

    private mutating func block() throws(TemplateError) -> Statement? {
        let line = line
        let tag = try name("a statement")
        switch tag {
        case "if": return try ifBlock()
        case "for": return try forBlock(line: line)
        case "set": return try setBlock(line: line)
        case "macro": return try macroBlock()
        case "generation": return .scope([], body: try body(end: "endgeneration"))
        case "filter":
            let filters = try filterChain()
            return .filterBlock(filters: filters, body: try body(end: "endfilter"), line: line)
        case "with":
            var bindings: [(name: String, value: Expression)] = []
            while current.kind != .blockEnd {
                let target = try name("a variable")
                try expect(symbol: "=")
                bindings.append((target, try expression()))
                if !accept(symbol: ",") { break }
            }
            return .scope(bindings, body: try body(end: "endwith"))
        case "break":
            try endBlock()
            return .breakLoop
        case "continue":
            try endBlock()
            return .continueLoop
        default: throw TemplateError(.syntax, "unknown tag '\(tag.prefix(64))'", line: line)
        }
    }

    private mutating func ifBlock() throws(TemplateError) -> Statement {
        let outer = isConditional
        defer { isConditional = outer }
        var branches: [(condition: Expression, body: [Statement])] = []
        var otherwise: [Statement] = []
        var condition = try expression()
        isConditional = true
        while true {
            try endBlock()
            let list = try statements(until: ["elif", "else", "endif"])
            branches.append((condition, list))
            advance()
            if accept(name: "elif") {
                condition = try expression()
                continue
            }
            if accept(name: "else") {
                otherwise = try body(end: "endif")
            } else {
                advance()
                try endBlock()
            }
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func targets() throws(TemplateError) -> [String] {
        let parenthesised = accept(symbol: "(")
        var names = [try name("a variable")]
        while accept(symbol: ",") { names.append(try name("a variable")) }
        if parenthesised { try expect(symbol: ")") }
        return names
    }

    private mutating func forBlock(line: Int) throws(TemplateError) -> Statement {
        let names = try targets()
        guard accept(name: "in") else { throw fail("expected 'in'") }
        let iterable = try expressionList(allowsConditional: false)
        let condition = accept(name: "if") ? try expression() : nil
        let isRecursive = accept(name: "recursive")
        try endBlock()
        let list = try statements(until: ["else", "endfor"])
        advance()
        var otherwise: [Statement] = []
        if accept(name: "else") {
            otherwise = try body(end: "endfor")
        } else {
            advance()
            try endBlock()
        }
        return .loop(
            Statement.Loop(
                targets: names, iterable: iterable, condition: condition, body: list, otherwise: otherwise,
                isRecursive: isRecursive, line: line))
    }

    private mutating func setBlock(line: Int) throws(TemplateError) -> Statement {
        let first = try name("a variable")
        if accept(symbol: ".") {
            let attribute = try name("an attribute")
            try expect(symbol: "=")
            let value = try expressionList()
            try endBlock()
            return .setAttribute(object: first, attribute: attribute, value: value, line: line)
        }
        var names = [first]
        while accept(symbol: ",") { names.append(try name("a variable")) }
        if accept(symbol: "=") {
            let value = try expressionList()
            try endBlock()
            return .set(targets: names, value: value, line: line)
        }
        let filters = accept(symbol: "|") ? try filterChain() : []
        return .setBlock(target: first, filters: filters, body: try body(end: "endset"), line: line)
    }

    private mutating func filterChain() throws(TemplateError) -> [(name: String, arguments: Arguments)] {
        var filters: [(name: String, arguments: Arguments)] = []
        repeat {
            let filter = try name("a filter")
            filters.append((filter, isSymbol("(") ? try arguments() : Arguments()))
        } while accept(symbol: "|")
        return filters
    }

    private mutating func macroBlock() throws(TemplateError) -> Statement {
        let title = try name("a macro name")
        try expect(symbol: "(")
        var parameters: [Macro.Parameter] = []
        while !isSymbol(")") {
            let parameter = try name("a parameter")
            parameters.append(Macro.Parameter(name: parameter, fallback: accept(symbol: "=") ? try expression() : nil))
            if !accept(symbol: ",") { break }
        }
        try expect(symbol: ")")
        return .macro(Macro(name: title, parameters: parameters, body: try body(end: "endmacro")))
    }
}
