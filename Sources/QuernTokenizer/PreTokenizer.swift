// Cuts a segment into the pieces that merging works on.
//
// Hand-written scanners instead of a regular expression engine: linear time, no recursion, no allocation. Each follows
// the alternatives of its pattern in order; see SplitPattern for the patterns. Invariant: pieces cover the segment
// without gaps, each at least one byte.

struct PreTokenizer: Sendable {
    private let kind: PreTokenizerKind

    init(_ kind: PreTokenizerKind) { self.kind = kind }

    /// Calls `body` with every piece, in order.
    func forEachPiece(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        CharacterTable.flags.withUnsafeBufferPointer { flags in
            var start = 0
            while start < bytes.count {
                let end: Int
                switch kind {
                case .qwen2: end = Scanner(bytes, flags).cl100k(start, marksJoin: false, maxDigits: 1)
                case .qwen35: end = Scanner(bytes, flags).cl100k(start, marksJoin: true, maxDigits: 1)
                case .llama3: end = Scanner(bytes, flags).cl100k(start, marksJoin: false, maxDigits: 3)
                case .gpt2: end = Scanner(bytes, flags).gpt2(start, isolatesDigits: false)
                case .smollm2: end = Scanner(bytes, flags).smollm2(start)
                }
                body(start..<end)
                start = end
            }
        }
    }
}

private struct Scanner {
    let bytes: UnsafeBufferPointer<UInt8>
    let flags: UnsafeBufferPointer<UInt8>

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ flags: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        self.flags = flags
    }

    private struct Character {
        var value: UInt32
        var kind: UInt8
        var length: Int
    }

    @inline(__always) private func character(_ index: Int) -> Character {
        let scalar = decodeScalar(bytes, at: index)
        let kind = scalar.isValid ? flags[Int(scalar.value)] & CharacterTable.classMask : CharacterClass.other
        return Character(value: scalar.value, kind: kind, length: scalar.length)
    }

    private func isNewline(_ value: UInt32) -> Bool { value == 10 || value == 13 }

    /// The cl100k family: Qwen2 (marks are symbols), Qwen3.5 (marks join letters), Llama 3 (three digits).
    func cl100k(_ start: Int, marksJoin: Bool, maxDigits: Int) -> Int {
        func isWord(_ kind: UInt8) -> Bool { kind == CharacterClass.letter || marksJoin && kind == CharacterClass.mark }
        func isSymbol(_ kind: UInt8) -> Bool { kind == CharacterClass.other || !marksJoin && kind == CharacterClass.mark }
        let end = bytes.count
        let first = character(start)
        if first.value == 0x27, let length = contraction(start, end: end, foldsCase: true) { return start + length }
        var index = start + first.length
        if !isWord(first.kind), first.kind != CharacterClass.number, !isNewline(first.value), index < end {
            let second = character(index)      // [^\r\n\p{L}\p{N}]?\p{L}+
            if isWord(second.kind) { return run(from: index + second.length, end: end) { isWord($0.kind) } }
        }
        if isWord(first.kind) { return run(from: index, end: end) { isWord($0.kind) } }
        if first.kind == CharacterClass.number {
            var count = 1
            while count < maxDigits, index < end {
                let next = character(index)
                guard next.kind == CharacterClass.number else { break }
                index += next.length
                count += 1
            }
            return index
        }
        // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
        let lead = first.value == 0x20 ? index : start
        if lead < end, isSymbol(character(lead).kind) {
            let symbols = run(from: lead, end: end) { isSymbol($0.kind) }
            return run(from: symbols, end: end) { isNewline($0.value) }
        }
        return whiteSpace(start, end: end)
    }

    /// GPT-2's pattern. With `isolatesDigits`, a numeric character is where the text ends.
    func gpt2(_ start: Int, isolatesDigits: Bool) -> Int {
        func isEnd(_ index: Int) -> Bool { index >= bytes.count || isolatesDigits && isDigit(index) }
        let first = character(start)
        if first.value == 0x27, let length = contraction(start, end: bytes.count, foldsCase: false) { return start + length }
        var lead = start
        if first.value == 0x20, !isEnd(start + 1), character(start + 1).kind != CharacterClass.space { lead = start + 1 }
        let head = character(lead)
        var index = lead + head.length
        guard head.kind == CharacterClass.space else {
            let kind = gpt2Kind(head.kind)
            while !isEnd(index) {
                let next = character(index)
                guard gpt2Kind(next.kind) == kind else { break }
                index += next.length
            }
            return index
        }
        var last = start            // `\s+(?!\S)` leaves the last white-space character to the next piece
        while !isEnd(index) {
            let next = character(index)
            guard next.kind == CharacterClass.space else { return last > start ? last : index }
            last = index
            index += next.length
        }
        return index
    }

    private func gpt2Kind(_ kind: UInt8) -> UInt8 { kind == CharacterClass.mark ? CharacterClass.other : kind }

    /// Every numeric character stands alone; GPT-2's pattern cuts what lies between.
    func smollm2(_ start: Int) -> Int {
        isDigit(start) ? start + character(start).length : gpt2(start, isolatesDigits: true)
    }

    private func isDigit(_ index: Int) -> Bool {
        let scalar = decodeScalar(bytes, at: index)
        return scalar.isValid && flags[Int(scalar.value)] & CharacterTable.digit != 0
    }

    @inline(__always) private func run(from start: Int, end: Int, _ belongs: (Character) -> Bool) -> Int {
        var index = start
        while index < end {
            let next = character(index)
            guard belongs(next) else { break }
            index += next.length
        }
        return index
    }

    /// `\s*[\r\n]+` (to the last newline), else `\s+(?!\S)`, else `\s+`.
    private func whiteSpace(_ start: Int, end: Int) -> Int {
        var index = start
        var last = start            // start of the last white-space character
        var afterNewline: Int?
        while index < end {
            let next = character(index)
            guard next.kind == CharacterClass.space else { break }
            last = index
            index += next.length
            if isNewline(next.value) { afterNewline = index }
        }
        if let afterNewline { return afterNewline }
        return index < end && last > start ? last : index
    }

    /// Length of 's 't 're 've 'm 'll 'd at an apostrophe; with case folding U+017F counts as s.
    private func contraction(_ start: Int, end: Int, foldsCase: Bool) -> Int? {
        func letter(_ index: Int) -> UInt8? {
            guard index < end else { return nil }
            let byte = bytes[index]
            return foldsCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        }
        guard let a = letter(start + 1) else { return nil }
        if foldsCase, a == 0xC5, letter(start + 2) == 0xBF { return 3 }
        switch (a, letter(start + 2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _): return 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return 3
        default: return nil
        }
    }
}
