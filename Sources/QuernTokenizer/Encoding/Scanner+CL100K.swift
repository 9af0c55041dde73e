// The cl100k family of split patterns: Qwen2 (marks are symbols), Qwen3.5 (marks join letters), Llama 3 (three digits).
//
// The alternatives in order: contractions; `[^\r\n\p{L}\p{N}]?\p{L}+`; `\p{N}` up to the limit;
// ` ?[^\s\p{L}\p{N}]+[\r\n]*`; `\s*[\r\n]+`; `\s+(?!\S)`; `\s+`. SplitPattern has them as tokenizer.json spells them.

struct CL100KRules {
    /// Classes of the letter run.
    let word: UInt8
    /// Classes of the symbol run.
    let symbol: UInt8
    let maxDigits: Int

    init(marksJoin: Bool, maxDigits: Int) {
        word = 1 << CharacterClass.letter | (marksJoin ? 1 << CharacterClass.mark : 0)
        symbol = 1 << CharacterClass.other | (marksJoin ? 0 : 1 << CharacterClass.mark)
        self.maxDigits = maxDigits
    }

    @inline(__always) func isWord(_ kind: UInt8) -> Bool { word >> kind & 1 != 0 }
    @inline(__always) func isSymbol(_ kind: UInt8) -> Bool { symbol >> kind & 1 != 0 }
}

extension Scanner {
    /// End of the piece that begins at `start`, which is before `end`.
    @inline(__always) mutating func cl100k(_ start: Int, _ rules: CL100KRules) -> Int {
        let byte = bytes[start]
        let first = character(start)
        let index = start &+ first.length
        if rules.isWord(first.kind) { return endOfWord(index, rules.word) }
        if first.kind == CharacterClass.number {
            guard rules.maxDigits == 1 else { return endOfDigits(index, rules.maxDigits) }
            note(index)
            return index
        }
        if byte == 0x27 {
            let length = contraction(start, foldsCase: true)
            if length > 0 {
                note(start &+ length)
                return start &+ length
            }
        }
        guard index < end else { return index }
        if first.kind == CharacterClass.space {
            if byte == 0x0A || byte == 0x0D { return endOfWhiteSpace(start) }
            let second = character(index)
            if rules.isWord(second.kind) { return endOfWord(index &+ second.length, rules.word) }
            if byte == 0x20 && rules.isSymbol(second.kind) { return endOfSymbols(index &+ second.length, rules) }
            return second.kind == CharacterClass.space ? endOfWhiteSpace(start) : index
        }
        let second = character(index)
        if rules.isWord(second.kind) { return endOfWord(index &+ second.length, rules.word) }
        return endOfSymbols(index, rules)
    }

    @inline(__always) private mutating func endOfDigits(_ start: Int, _ limit: Int) -> Int {
        var index = start
        for _ in 1..<limit where index < end {
            let next = character(index)
            guard next.kind == CharacterClass.number else { break }
            index &+= next.length
        }
        return index
    }

    @inline(__always) private mutating func endOfSymbols(_ start: Int, _ rules: CL100KRules) -> Int {
        var index = endOfRun(start, rules.symbol)
        while index < end, isNewline(index) { index &+= 1 }
        return index
    }

    @inline(__always) private mutating func endOfWhiteSpace(_ start: Int) -> Int {
        let run = whiteSpace(start)
        if let afterNewline = run.afterNewline { return afterNewline }
        return run.end < end && run.last > start ? run.last : run.end
    }
}
