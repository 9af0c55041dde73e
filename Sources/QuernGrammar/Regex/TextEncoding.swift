// How text is spelled in the output: as it is, or inside a JSON string.
//
// Invariant: what a reader decodes from the spelling is text that the automaton accepts. Constrained strings have one
// spelling per scalar; free ones may also use `\/` and `\u` and four hexadecimal digits, with surrogates in pairs only.

enum TextEncoding {
    case plain
    /// Between quotes, which are not part of it.
    case json
}

extension GrammarBuilder {
    /// Text that `automaton` accepts.
    mutating func text(
        _ automaton: TextAutomaton, _ encoding: TextEncoding, _ from: StateID, _ to: StateID
    ) throws(GrammarError) {
        var states: [StateID] = []
        for _ in automaton.transitions.indices { states.append(try state()) }
        try epsilon(from, states[0])
        for (index, transitions) in automaton.transitions.enumerated() {
            if automaton.accepts[index] { try epsilon(states[index], to) }
            for transition in transitions {
                let target = states[transition.to]
                switch encoding {
                case .plain: try scalars(transition.set, states[index], target)
                case .json: try jsonScalars(transition.set, states[index], target)
                }
            }
        }
    }

    /// Any one scalar of `set` as it stands in a JSON string.
    private mutating func jsonScalars(_ set: ScalarSet, _ from: StateID, _ to: StateID) throws(GrammarError) {
        let escaped = ScalarSet([0...0x1F, 0x22...0x22, 0x5C...0x5C])
        try scalars(set.intersection(escaped.complement), from, to)
        let special = set.intersection(escaped)
        guard !special.isEmpty else { return }
        let escape = try state()
        try bytes(UInt8(ascii: "\\"), UInt8(ascii: "\\"), from, escape)
        for (scalar, letter) in Self.shortEscapes where set.contains(scalar) { try bytes(letter, letter, escape, to) }
        // As a tree: a text of bounded length has this at every position.
        let controls = (0..<UInt32(0x20)).filter { set.contains($0) && Self.shortEscapes[$0] == nil }
        guard !controls.isEmpty else { return }
        let high = try state()
        try literal("u00", escape, high)
        for digit in 0..<UInt32(2) {
            let low = try state()
            for byte in "\(digit)".utf8 { try bytes(byte, byte, high, low) }
            for scalar in controls where scalar >> 4 == digit {
                for byte in String(scalar & 15, radix: 16).utf8 { try bytes(byte, byte, low, to) }
            }
        }
    }

    private static let shortEscapes: [UInt32: UInt8] = [
        0x22: UInt8(ascii: "\""), 0x5C: UInt8(ascii: "\\"), 0x08: UInt8(ascii: "b"), 0x0C: UInt8(ascii: "f"),
        0x0A: UInt8(ascii: "n"), 0x0D: UInt8(ascii: "r"), 0x09: UInt8(ascii: "t"),
    ]

    /// Any text as it stands in a JSON string, with every escape JSON knows.
    mutating func anyJSONText(_ from: StateID, _ to: StateID) throws(GrammarError) {
        let loop = try state()
        try epsilon(from, loop)
        try epsilon(loop, to)
        try scalars(ScalarSet([0x20...0x21, 0x23...0x5B, 0x5D...0x10FFFF]), loop, loop)
        let escape = try state()
        try bytes(UInt8(ascii: "\\"), UInt8(ascii: "\\"), loop, escape)
        for letter in "\"\\/bfnrt".utf8 { try bytes(letter, letter, escape, loop) }
        let unit = try state()
        try bytes(UInt8(ascii: "u"), UInt8(ascii: "u"), escape, unit)
        try codeUnit(unit, loop)
    }

    /// The digits of `\u` and four hexadecimal digits: a scalar, or the first half of a pair and the escape of the second.
    private mutating func codeUnit(_ from: StateID, _ to: StateID) throws(GrammarError) {
        let surrogate = try state()
        let other = try state()
        for (low, high, next) in [("0", "9", other), ("a", "c", other), ("A", "C", other), ("e", "f", other), ("E", "F", other),
                                  ("d", "d", surrogate), ("D", "D", surrogate)] {
            try bytes(low.utf8.first ?? 0, high.utf8.first ?? 0, from, next)
        }
        try hexadecimal(3, other, to)
        let plain = try state()
        try bytes(UInt8(ascii: "0"), UInt8(ascii: "7"), surrogate, plain)
        try hexadecimal(2, plain, to)
        let high = try state()
        try bytes(UInt8(ascii: "8"), UInt8(ascii: "9"), surrogate, high)
        try bytes(UInt8(ascii: "a"), UInt8(ascii: "b"), surrogate, high)
        try bytes(UInt8(ascii: "A"), UInt8(ascii: "B"), surrogate, high)
        let second = try state()
        try hexadecimal(2, high, second)
        let low = try state()
        let digits = try state()
        try literal("\\u", second, low)
        try bytes(UInt8(ascii: "d"), UInt8(ascii: "d"), low, digits)
        try bytes(UInt8(ascii: "D"), UInt8(ascii: "D"), low, digits)
        let last = try state()
        try bytes(UInt8(ascii: "c"), UInt8(ascii: "f"), digits, last)
        try bytes(UInt8(ascii: "C"), UInt8(ascii: "F"), digits, last)
        try hexadecimal(2, last, to)
    }

    private mutating func hexadecimal(_ count: Int, _ from: StateID, _ to: StateID) throws(GrammarError) {
        var current = from
        for index in 0..<count {
            let next = index == count - 1 ? to : try state()
            try bytes(UInt8(ascii: "0"), UInt8(ascii: "9"), current, next)
            try bytes(UInt8(ascii: "a"), UInt8(ascii: "f"), current, next)
            try bytes(UInt8(ascii: "A"), UInt8(ascii: "F"), current, next)
            current = next
        }
    }
}
