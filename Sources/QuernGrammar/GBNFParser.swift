// Reads llama.cpp's GBNF: `name ::= alternatives`, with quoted strings, classes, groups, counts and comments.
//
// Owns: syntax and the check that every rule exists, is reachable from `root` and is defined once. Does not own: left recursion,
// which the automaton's compiler refuses. Invariant: no recursion; every step charges the meter.

struct GBNFParser {
    private let bytes: [UInt8]
    private var position = 0
    private var rules: [String: (id: RuleID, firstUse: Int)] = [:]
    private var definitions: [RuleID: [RuleID]] = [:]       // rules that each defined rule calls

    /// Adds the rules of `source`; returns `root`.
    ///
    /// - Throws: `GrammarError` with the offset or the name of the rule at fault.
    static func parse(_ source: String, into builder: inout GrammarBuilder) throws(GrammarError) -> RuleID {
        guard source.utf8.count <= builder.meter.limits.sourceBytes else {
            throw GrammarError(.tooComplex, "the grammar has \(source.utf8.count) bytes, the limit is \(builder.meter.limits.sourceBytes)")
        }
        var parser = GBNFParser(bytes: Array(source.utf8))
        try parser.skipSpace(lines: true, &builder.meter)
        while parser.position < parser.bytes.count { try parser.rule(&builder) }
        return try parser.checkedRoot()
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func fail(_ reason: String, at offset: Int? = nil) -> GrammarError {
        GrammarError(.invalid, reason, byteOffset: offset ?? position)
    }

    private func checkedRoot() throws(GrammarError) -> RuleID {
        for (name, rule) in rules.sorted(by: { $0.value.firstUse < $1.value.firstUse }) where definitions[rule.id] == nil {
            throw fail("rule '\(excerpt(name))' is not defined", at: rule.firstUse)
        }
        guard let root = rules["root"]?.id else { throw fail("there is no rule 'root'", at: 0) }
        var reached: Set<RuleID> = [root]
        var pending = [root]
        while let rule = pending.popLast() {
            for called in definitions[rule] ?? [] where reached.insert(called).inserted { pending.append(called) }
        }
        for (name, rule) in rules.sorted(by: { $0.value.firstUse < $1.value.firstUse }) where !reached.contains(rule.id) {
            throw fail("rule '\(excerpt(name))' cannot be reached from root", at: rule.firstUse)
        }
        return root
    }

    private mutating func id(_ name: String, at offset: Int, _ builder: inout GrammarBuilder) throws(GrammarError) -> RuleID {
        if let known = rules[name] { return known.id }
        let id = try builder.rule(name)
        rules[name] = (id, offset)
        return id
    }

    private mutating func skipSpace(lines: Bool, _ meter: inout Meter) throws(GrammarError) {
        while let byte = current {
            try meter.charge()
            switch byte {
            case 0x20, 0x09: position += 1
            case 0x0A, 0x0D:
                guard lines else { return }
                position += 1
            case UInt8(ascii: "#"):
                while current != nil, current != 0x0A { position += 1 }
            default: return
            }
        }
    }

    private mutating func name() -> String? {
        let name = bytes[position...].prefix { ScalarSet.word.contains(UInt32($0)) || $0 == UInt8(ascii: "-") }
        guard !name.isEmpty else { return nil }
        position = name.endIndex
        return String(decoding: name, as: UTF8.self)
    }

    private mutating func rule(_ builder: inout GrammarBuilder) throws(GrammarError) {
        let start = position
        guard let name = name() else { throw fail("expected the name of a rule") }
        try skipSpace(lines: false, &builder.meter)
        guard bytes[position...].starts(with: "::=".utf8) else { throw fail("expected '::=' after '\(excerpt(name))'") }
        position += 3
        let id = try id(name, at: start, &builder)
        guard definitions[id] == nil else { throw fail("rule '\(excerpt(name))' is defined twice", at: start) }
        definitions[id] = []
        var stack = ExpressionStack(limits: builder.meter.limits)
        try skipSpace(lines: true, &builder.meter)
        while try item(&stack, of: id, &builder) {}
        try builder.add(try stack.finish(), to: id)
    }

    /// Reads one item of a rule; false at its end.
    private mutating func item(
        _ stack: inout ExpressionStack, of rule: RuleID, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Bool {
        // Inside a group an expression goes on over line ends; outside, a line end is the rule's unless an alternative follows.
        try skipSpace(lines: stack.isNested, &builder.meter)
        try builder.meter.charge()
        guard let byte = current else { return false }
        switch byte {
        case 0x0A, 0x0D:
            try skipSpace(lines: true, &builder.meter)
            return current == UInt8(ascii: "|")
        case UInt8(ascii: "|"):
            position += 1
            stack.alternative()
            try skipSpace(lines: true, &builder.meter)
        case UInt8(ascii: "("):
            try stack.open(at: position)
            position += 1
        case UInt8(ascii: ")"):
            guard stack.isNested else { throw fail("this parenthesis closes nothing") }
            position += 1
            stack.close()
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"): try quantifier(byte, &stack, &builder.meter)
        case UInt8(ascii: "\""):
            try stack.sequence(try quoted().map { .scalars(ScalarSet($0)) }, meter: &builder.meter)
        case UInt8(ascii: "["): try stack.atom(.scalars(try characterClass(&builder.meter)), meter: &builder.meter)
        case UInt8(ascii: "."):
            position += 1
            try stack.atom(.scalars(.all), meter: &builder.meter)
        default:
            let start = position
            guard let name = name() else { throw fail("this character means nothing here") }
            let called = try id(name, at: start, &builder)
            definitions[rule, default: []].append(called)
            try stack.atom(.call(called), meter: &builder.meter)
        }
        return true
    }

    private mutating func quantifier(_ byte: UInt8, _ stack: inout ExpressionStack, _ meter: inout Meter) throws(GrammarError) {
        let start = position
        guard stack.canRepeat else { throw fail("this quantifier has nothing to repeat") }
        position += 1
        var bounds: (Int, Int?)
        switch byte {
        case UInt8(ascii: "*"): bounds = (0, nil)
        case UInt8(ascii: "+"): bounds = (1, nil)
        case UInt8(ascii: "?"): bounds = (0, 1)
        default:
            bounds.0 = try count(start, &meter)
            bounds.1 = bounds.0
            if current == UInt8(ascii: ",") {
                position += 1
                try skipSpace(lines: false, &meter)
                bounds.1 = current == UInt8(ascii: "}") ? nil : try count(start, &meter)
            }
            guard current == UInt8(ascii: "}") else { throw fail("a count is written {m}, {m,} or {m,n}", at: start) }
            position += 1
        }
        if let maximum = bounds.1, maximum < bounds.0 { throw fail("the counts are in the wrong order", at: start) }
        do {
            try stack.repeatLast(bounds.0, bounds.1, meter: &meter)
        } catch {
            throw GrammarError(error.kind, error.reason, byteOffset: start)
        }
    }

    private mutating func count(_ start: Int, _ meter: inout Meter) throws(GrammarError) -> Int {
        try skipSpace(lines: false, &meter)
        let digits = bytes[position...].prefix { (0x30...0x39).contains($0) }
        position = digits.endIndex
        guard !digits.isEmpty, digits.count <= 9, let value = Int(String(decoding: digits, as: UTF8.self)) else {
            throw fail("a count is written {m}, {m,} or {m,n}, with at most nine digits", at: start)
        }
        try skipSpace(lines: false, &meter)
        return value
    }

    private mutating func quoted() throws(GrammarError) -> [UInt32] {
        let start = position
        position += 1
        var text: [UInt32] = []
        while let byte = current, byte != UInt8(ascii: "\"") {
            guard byte != 0x0A else { break }
            text.append(try scalar())
        }
        guard current == UInt8(ascii: "\"") else { throw fail("this string is not closed", at: start) }
        position += 1
        return text
    }

    private mutating func characterClass(_ meter: inout Meter) throws(GrammarError) -> ScalarSet {
        let start = position
        position += 1
        let isNegated = current == UInt8(ascii: "^")
        if isNegated { position += 1 }
        var ranges: [ClosedRange<UInt32>] = []
        while let byte = current, byte != UInt8(ascii: "]"), byte != 0x0A {
            try meter.charge(4)
            let low = try scalar()
            var high = low
            if current == UInt8(ascii: "-"), position + 1 < bytes.count, bytes[position + 1] != UInt8(ascii: "]") {
                position += 1
                high = try scalar()
            }
            guard low <= high else { throw fail("this range is in the wrong order") }
            ranges.append(low...high)
        }
        guard current == UInt8(ascii: "]") else { throw fail("this class is not closed", at: start) }
        position += 1
        return isNegated ? ScalarSet(ranges).complement : ScalarSet(ranges)
    }

    /// One character, escaped or not.
    private mutating func scalar() throws(GrammarError) -> UInt32 {
        let start = position
        guard current == UInt8(ascii: "\\") else {
            var iterator = bytes[position...].prefix(4).makeIterator()
            var decoder = UTF8()
            guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { throw fail("this is not UTF-8") }
            position += UTF8.width(scalar)
            return scalar.value
        }
        position += 1
        guard let letter = current else { throw fail("nothing follows the backslash", at: start) }
        position += 1
        switch letter {
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "-"), UInt8(ascii: "^"): return UInt32(letter)
        case UInt8(ascii: "x"): return try hexadecimal(2, start)
        case UInt8(ascii: "u"): return try hexadecimal(4, start)
        case UInt8(ascii: "U"): return try hexadecimal(8, start)
        default: throw fail("this escape is not known", at: start)
        }
    }

    private mutating func hexadecimal(_ count: Int, _ start: Int) throws(GrammarError) -> UInt32 {
        let digits = bytes[position...].prefix(count)
        guard digits.count == count, digits.first != UInt8(ascii: "+"),
            let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16), Unicode.Scalar(value) != nil
        else { throw fail("this is not the code of a character", at: start) }
        position += count
        return value
    }
}

extension GrammarBuilder {
    /// Makes `expression` the body of a rule, in UTF-8.
    fileprivate mutating func add(_ expression: ExpressionNFA, to rule: RuleID) throws(GrammarError) {
        var states: [StateID] = []
        for _ in 0..<expression.stateCount { states.append(try state()) }
        for edge in expression.edges {
            let (from, to) = (states[edge.from], states[edge.to])
            switch edge.label {
            case .epsilon: try epsilon(from, to)
            case .scalars(let set): try scalars(set, from, to)
            case .call(let called): try call(called, from, to)
            case .start, .end: throw GrammarError(.invalid, "grammars have no anchors")
            }
        }
        try epsilon(self[rule].start, states[expression.start])
        try epsilon(states[expression.end], self[rule].end)
    }
}
