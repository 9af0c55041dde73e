// Reads the regular part of ECMA-262's regular expressions.
//
// Owns: syntax. Refused with the offset: look-around, back-references, word boundaries, `\p`, flags, and whatever ECMA-262
// with the `u` flag refuses. Greedy, lazy: the same language. Invariant: no recursion; every step charges the meter.

struct RegexParser {
    private let bytes: [UInt8]
    private var position = 0
    private var stack: ExpressionStack

    /// - Throws: `GrammarError` with the offset of what cannot be used.
    static func parse(_ pattern: String, meter: inout Meter) throws(GrammarError) -> ExpressionNFA {
        guard pattern.utf8.count <= meter.limits.sourceBytes else {
            throw GrammarError(.tooComplex, "the pattern has \(pattern.utf8.count) bytes, the limit is \(meter.limits.sourceBytes)")
        }
        var parser = RegexParser(bytes: Array(pattern.utf8), stack: ExpressionStack(limits: meter.limits))
        while let byte = parser.current {
            try meter.charge()
            try parser.item(byte, &meter)
        }
        return try parser.stack.finish()
    }

    private init(bytes: [UInt8], stack: ExpressionStack) {
        self.bytes = bytes
        self.stack = stack
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func fail(_ reason: String, at offset: Int? = nil, _ kind: GrammarError.Kind = .invalid) -> GrammarError {
        GrammarError(kind, reason, byteOffset: offset ?? position)
    }

    private mutating func item(_ byte: UInt8, _ meter: inout Meter) throws(GrammarError) {
        switch byte {
        case UInt8(ascii: "("): try open()
        case UInt8(ascii: ")"):
            guard stack.isNested else { throw fail("this parenthesis closes nothing") }
            position += 1
            stack.close()
        case UInt8(ascii: "|"):
            position += 1
            stack.alternative()
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"): try quantifier(byte, &meter)
        case UInt8(ascii: "}"), UInt8(ascii: "]"): throw fail("'\(Character(Unicode.Scalar(byte)))' must be escaped here")
        case UInt8(ascii: "^"): try assertion(.start, &meter)
        case UInt8(ascii: "$"): try assertion(.end, &meter)
        case UInt8(ascii: "."): try atom(.dot, length: 1, &meter)
        case UInt8(ascii: "["): try atom(characterClass(&meter), length: 0, &meter)
        case UInt8(ascii: "\\"): try atom(escape(inClass: false), length: 0, &meter)
        default: try atom(ScalarSet(scalar()), length: 0, &meter)
        }
    }

    private mutating func atom(_ set: ScalarSet, length: Int, _ meter: inout Meter) throws(GrammarError) {
        position += length
        try stack.atom(.scalars(set), meter: &meter)
    }

    private mutating func assertion(_ label: ExpressionNFA.Label, _ meter: inout Meter) throws(GrammarError) {
        position += 1
        try stack.atom(label, meter: &meter)
    }

    private mutating func open() throws(GrammarError) {
        let start = position
        position += 1
        if current == UInt8(ascii: "?") {
            position += 1
            switch current {
            case UInt8(ascii: ":"): position += 1
            case UInt8(ascii: "<"):
                let name = bytes[position...].dropFirst().prefix { $0 != UInt8(ascii: ">") }
                guard let first = name.first, first != UInt8(ascii: "="), first != UInt8(ascii: "!"), name.endIndex < bytes.count,
                    name.allSatisfy({ ScalarSet.word.contains(UInt32($0)) })
                else { throw fail("look-behind cannot be enforced", at: start, .unsupported) }
                position = name.endIndex + 1
            case UInt8(ascii: "="), UInt8(ascii: "!"): throw fail("look-ahead cannot be enforced", at: start, .unsupported)
            default: throw fail("this kind of group is not known", at: start)
            }
        }
        try stack.open(at: start)
    }

    private mutating func quantifier(_ byte: UInt8, _ meter: inout Meter) throws(GrammarError) {
        let start = position
        guard stack.canRepeat else { throw fail("this quantifier has nothing to repeat") }
        position += 1
        var bounds: (Int, Int?)
        switch byte {
        case UInt8(ascii: "*"): bounds = (0, nil)
        case UInt8(ascii: "+"): bounds = (1, nil)
        case UInt8(ascii: "?"): bounds = (0, 1)
        default:
            bounds.0 = try count(start)
            bounds.1 = bounds.0
            if current == UInt8(ascii: ",") {
                position += 1
                bounds.1 = current == UInt8(ascii: "}") ? nil : try count(start)
            }
            guard current == UInt8(ascii: "}") else { throw fail("a count is written {m}, {m,} or {m,n}", at: start) }
            position += 1
        }
        if let maximum = bounds.1, maximum < bounds.0 { throw fail("the counts are in the wrong order", at: start) }
        if current == UInt8(ascii: "?") { position += 1 }
        do {
            try stack.repeatLast(bounds.0, bounds.1, meter: &meter)
        } catch {
            throw GrammarError(error.kind, error.reason, byteOffset: start)
        }
    }

    private mutating func count(_ start: Int) throws(GrammarError) -> Int {
        let digits = bytes[position...].prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty else { throw fail("a count is written {m}, {m,} or {m,n}", at: start) }
        position = digits.endIndex
        guard digits.count <= 9, let value = Int(String(decoding: digits, as: UTF8.self)) else {
            throw fail("this count is too large", at: start, .tooComplex)
        }
        return value
    }

    /// The scalar at the position; the pattern is valid UTF-8.
    private mutating func scalar() -> UInt32 {
        var iterator = bytes[position...].prefix(4).makeIterator()
        var decoder = UTF8()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return 0xFFFD }
        position += UTF8.width(scalar)
        return scalar.value
    }

    private mutating func escape(inClass: Bool) throws(GrammarError) -> ScalarSet {
        let start = position
        position += 1
        guard let letter = current else { throw fail("nothing follows the backslash", at: start) }
        if let set = ScalarSet.named(letter) {
            position += 1
            return set
        }
        switch letter {
        case UInt8(ascii: "b") where inClass: position += 1; return ScalarSet(0x08)
        case UInt8(ascii: "b"), UInt8(ascii: "B"): throw fail("word boundaries cannot be enforced", at: start, .unsupported)
        case UInt8(ascii: "p"), UInt8(ascii: "P"): throw fail("Unicode properties cannot be enforced", at: start, .unsupported)
        case UInt8(ascii: "1")...UInt8(ascii: "9"), UInt8(ascii: "k"):
            throw fail("back-references cannot be enforced", at: start, .unsupported)
        case UInt8(ascii: "t"): position += 1; return ScalarSet(0x09)
        case UInt8(ascii: "n"): position += 1; return ScalarSet(0x0A)
        case UInt8(ascii: "v"): position += 1; return ScalarSet(0x0B)
        case UInt8(ascii: "f"): position += 1; return ScalarSet(0x0C)
        case UInt8(ascii: "r"): position += 1; return ScalarSet(0x0D)
        case UInt8(ascii: "0"): position += 1; return ScalarSet(0x00)
        case UInt8(ascii: "x"): position += 1; return ScalarSet(try hexadecimal(2, start))
        case UInt8(ascii: "u"):
            position += 1
            guard current == UInt8(ascii: "{") else { return ScalarSet(try hexadecimal(4, start)) }
            position += 1
            let digits = bytes[position...].prefix { $0 != UInt8(ascii: "}") }.count
            guard (1...6).contains(digits) else { throw fail("\\u{…} holds one to six digits", at: start) }
            let value = try hexadecimal(digits, start)
            guard current == UInt8(ascii: "}") else { throw fail("\\u{ is not closed", at: start) }
            position += 1
            return ScalarSet(value)
        case 0x21...0x7E where !ScalarSet.word.contains(UInt32(letter)):
            position += 1
            return ScalarSet(UInt32(letter))
        default: throw fail("this escape is not known", at: start)
        }
    }

    private mutating func hexadecimal(_ count: Int, _ start: Int) throws(GrammarError) -> UInt32 {
        let digits = bytes[position...].prefix(count)
        guard digits.count == count, let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
            digits.first != UInt8(ascii: "+"), Unicode.Scalar(value) != nil
        else { throw fail("this is not the code of a character", at: start) }
        position += count
        return value
    }

    private mutating func characterClass(_ meter: inout Meter) throws(GrammarError) -> ScalarSet {
        let start = position
        position += 1
        var isNegated = false
        if current == UInt8(ascii: "^") {
            isNegated = true
            position += 1
        }
        var ranges: [ClosedRange<UInt32>] = []
        while let byte = current, byte != UInt8(ascii: "]") {
            try meter.charge(4)
            let low = try classItem()
            guard current == UInt8(ascii: "-"), position + 1 < bytes.count, bytes[position + 1] != UInt8(ascii: "]") else {
                ranges += low.ranges
                continue
            }
            let dash = position
            position += 1
            let high = try classItem()
            guard let first = low.single, let last = high.single else { throw fail("a class cannot bound a range", at: dash) }
            guard first <= last else { throw fail("this range is in the wrong order", at: dash) }
            ranges.append(first...last)
        }
        guard current == UInt8(ascii: "]") else { throw fail("this class is not closed", at: start) }
        position += 1
        let set = ScalarSet(ranges)
        return isNegated ? set.complement : set
    }

    private mutating func classItem() throws(GrammarError) -> ScalarSet {
        current == UInt8(ascii: "\\") ? try escape(inClass: true) : ScalarSet(scalar())
    }
}

extension ScalarSet {
    /// The only member of a set of one.
    var single: UInt32? {
        guard ranges.count == 1, let range = ranges.first, range.count == 1 else { return nil }
        return range.lowerBound
    }
}
