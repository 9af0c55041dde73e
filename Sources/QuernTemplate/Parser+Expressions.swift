// Expressions, by Jinja's precedence: conditional, or, and, not, comparison, + -, ~, * / // %, **, unary, postfix, filters.

extension Parser {
    /// An expression, or a tuple when commas follow.
    mutating func expressionList(allowsConditional: Bool = true) throws(TemplateError) -> Expression {
        let first = allowsConditional ? try expression() : try disjunction()
        guard isSymbol(",") else { return first }
        var items = [first]
        while accept(symbol: ",") {
            if current.kind == .variableEnd || current.kind == .blockEnd { break }
            items.append(allowsConditional ? try expression() : try disjunction())
        }
        return .tuple(items)
    }

    mutating func expression() throws(TemplateError) -> Expression {
        try nested { parser throws(TemplateError) in try parser.conditional() }
    }

    private mutating func conditional() throws(TemplateError) -> Expression {
        var value = try disjunction()
        while accept(name: "if") {
            let condition = try disjunction()
            let otherwise = accept(name: "else") ? try conditionalTail() : nil
            value = .conditional(condition, then: value, otherwise: otherwise)
        }
        return value
    }

    private mutating func conditionalTail() throws(TemplateError) -> Expression {
        try nested { parser throws(TemplateError) in try parser.conditional() }
    }

    mutating func disjunction() throws(TemplateError) -> Expression {
        var left = try conjunction()
        while accept(name: "or") { left = .or(left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(TemplateError) -> Expression {
        var left = try negation()
        while accept(name: "and") { left = .and(left, try negation()) }
        return left
    }

    private mutating func negation() throws(TemplateError) -> Expression {
        var count = 0
        while accept(name: "not") { count += 1 }
        let value = try comparison()
        if count == 0 { return value }
        return count % 2 == 1 ? .not(value) : .not(.not(value))
    }

    private mutating func comparison() throws(TemplateError) -> Expression {
        let line = line
        let first = try sum()
        var rest: [(CompareOperator, Expression)] = []
        while let op = comparisonOperator() { rest.append((op, try sum())) }
        return rest.isEmpty ? first : .compare(first, rest, line: line)
    }

    private mutating func comparisonOperator() -> CompareOperator? {
        let symbols: [(String, CompareOperator)] = [
            ("==", .equal), ("!=", .notEqual), ("<=", .lessOrEqual), (">=", .greaterOrEqual), ("<", .less), (">", .greater),
        ]
        for (symbol, op) in symbols where accept(symbol: symbol) { return op }
        if accept(name: "in") { return .contained }
        if isName("not"), nextIsIn {
            advance()
            advance()
            return .notContained
        }
        return nil
    }

    private var nextIsIn: Bool {
        var copy = self
        copy.advance()
        return copy.isName("in")
    }

    private mutating func sum() throws(TemplateError) -> Expression {
        try leftAssociative([("+", .add), ("-", .subtract)]) { parser throws(TemplateError) in try parser.concatenation() }
    }

    private mutating func concatenation() throws(TemplateError) -> Expression {
        try leftAssociative([("~", .concatenate)]) { parser throws(TemplateError) in try parser.product() }
    }

    private mutating func product() throws(TemplateError) -> Expression {
        try leftAssociative([("*", .multiply), ("/", .divide), ("//", .floorDivide), ("%", .modulo)]) {
            parser throws(TemplateError) in try parser.power()
        }
    }

    private mutating func power() throws(TemplateError) -> Expression {
        try leftAssociative([("**", .power)]) { parser throws(TemplateError) in try parser.unary(withFilters: true) }
    }

    private mutating func leftAssociative(
        _ operators: [(String, BinaryOperator)], _ operand: (inout Parser) throws(TemplateError) -> Expression
    ) throws(TemplateError) -> Expression {
        var left = try operand(&self)
        while true {
            let line = line
            guard let op = operators.first(where: { isSymbol($0.0) })?.1 else { return left }
            advance()
            left = .binary(op, left, try operand(&self), line: line)
        }
    }

    private mutating func unary(withFilters: Bool) throws(TemplateError) -> Expression {
        let line = line
        var value: Expression
        if accept(symbol: "-") {
            value = .negate(try nested { parser throws(TemplateError) in try parser.unary(withFilters: false) }, line: line)
        } else if accept(symbol: "+") {
            value = try nested { parser throws(TemplateError) in try parser.unary(withFilters: false) }
        } else {
            value = try primary()
        }
        value = try postfix(value)
        return withFilters ? try filtersAndTests(value) : value
    }

    private mutating func primary() throws(TemplateError) -> Expression {
        let line = line
        switch current.kind {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": return .literal(.bool(true))
            case "false", "False": return .literal(.bool(false))
            case "none", "None": return .literal(.none)
            default: return .name(name, line: line)
            }
        case .string(var text):
            advance()
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            return .literal(.text(text))
        case .integer(let value):
            advance()
            return .literal(.int(value))
        case .float(let value):
            advance()
            return .literal(.double(value))
        case .symbol("("):
            advance()
            return try parenthesised()
        case .symbol("["):
            advance()
            return .list(try items(until: "]"))
        case .symbol("{"):
            advance()
            return try dictionary()
        default: throw fail("expected an expression")
        }
    }

    private mutating func items(until close: String) throws(TemplateError) -> [Expression] {
        var list: [Expression] = []
        while !isSymbol(close) {
            list.append(try expression())
            if !accept(symbol: ",") { break }
        }
        try expect(symbol: close)
        return list
    }

    private mutating func parenthesised() throws(TemplateError) -> Expression {
        if accept(symbol: ")") { return .tuple([]) }
        let first = try expression()
        if accept(symbol: ")") { return first }
        try expect(symbol: ",")
        return .tuple([first] + (try items(until: ")")))
    }

    private mutating func dictionary() throws(TemplateError) -> Expression {
        var entries: [(Expression, Expression)] = []
        while !isSymbol("}") {
            let key = try expression()
            try expect(symbol: ":")
            entries.append((key, try expression()))
            if !accept(symbol: ",") { break }
        }
        try expect(symbol: "}")
        return .dict(entries)
    }

    private mutating func postfix(_ value: Expression) throws(TemplateError) -> Expression {
        var value = value
        while true {
            let line = line
            if accept(symbol: ".") {
                if case .integer(let index) = current.kind {
                    advance()
                    value = .item(value, .literal(.int(index)), line: line)
                } else {
                    value = .attribute(value, try name("an attribute"), line: line)
                }
            } else if accept(symbol: "[") {
                value = try subscripted(value, line: line)
            } else if isSymbol("(") {
                value = .call(value, try arguments(), line: line)
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: Expression, line: Int) throws(TemplateError) -> Expression {
        var parts: [Expression?] = [nil]
        var isSlice = false
        while !isSymbol("]") {
            if accept(symbol: ":") {
                isSlice = true
                parts.append(nil)
                guard parts.count <= 3 else { throw fail("malformed slice") }
            } else {
                guard parts[parts.count - 1] == nil else { throw fail("expected ']'") }
                parts[parts.count - 1] = try expression()
            }
        }
        try expect(symbol: "]")
        if isSlice {
            return .slice(value, parts[0], parts[1], parts.count > 2 ? parts[2] : nil, line: line)
        }
        guard let index = parts[0] else { throw fail("empty subscript") }
        return .item(value, index, line: line)
    }

    mutating func arguments() throws(TemplateError) -> Arguments {
        try expect(symbol: "(")
        var list = Arguments()
        while !isSymbol(")") {
            if case .name(let name) = current.kind, nextIsAssignment {
                advance()
                advance()
                list.named.append((name, try expression()))
            } else {
                guard list.named.isEmpty else { throw fail("a positional argument follows a named one") }
                list.positional.append(try expression())
            }
            if !accept(symbol: ",") { break }
        }
        try expect(symbol: ")")
        return list
    }

    private var nextIsAssignment: Bool {
        var copy = self
        copy.advance()
        return copy.isSymbol("=")
    }

    private mutating func filtersAndTests(_ value: Expression) throws(TemplateError) -> Expression {
        var value = value
        while true {
            let line = line
            if accept(symbol: "|") {
                let filter = try name("a filter")
                guard isConditional || Filters.isKnown(filter) else { throw TemplateError(.syntax, "unknown filter '\(filter.prefix(64))'", line: line) }
                value = .filter(value, filter, isSymbol("(") ? try arguments() : Arguments(), line: line)
            } else if accept(name: "is") {
                value = try test(value, line: line)
            } else if isSymbol("(") {
                value = .call(value, try arguments(), line: line)
            } else {
                return value
            }
        }
    }

    private mutating func test(_ value: Expression, line: Int) throws(TemplateError) -> Expression {
        let isNegated = accept(name: "not")
        let test: String
        if case .symbol(let symbol) = current.kind, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
            test = symbol
            advance()
        } else {
            test = try name("a test")
        }
        guard isConditional || ValueTests.isKnown(test) else { throw TemplateError(.syntax, "unknown test '\(test.prefix(64))'", line: line) }
        var list: [Expression] = []
        if isSymbol("(") {
            list = try arguments().positional
        } else if startsTestArgument {
            list = [try postfix(try primary())]
        }
        return .test(value, test, list, isNegated: isNegated, line: line)
    }

    /// `x is divisibleby 3`: an argument without parentheses.
    private var startsTestArgument: Bool {
        switch current.kind {
        case .name(let name): !["else", "or", "and", "if", "is", "not", "in", "recursive"].contains(name)
        case .string, .integer, .float: true
        case .symbol(let symbol): symbol == "[" || symbol == "{"
        default: false
        }
    }
}
