// GPT-2's split pattern, and SmolLM2's, which isolates every numeric character first so that the pattern sees the end of
// the text there: "a  1" gives "a", "  ", "1".
//
// The alternatives in order: contractions (case-sensitive); ` ?\p{L}+`; ` ?\p{N}+`; ` ?[^\s\p{L}\p{N}]+`; `\s+(?!\S)`; `\s+`.

extension Scanner {
    /// End of the piece that begins at `start`, which is before `end`.
    mutating func gpt2(_ start: Int, isolatesDigits: Bool) -> Int {
        if isolatesDigits, isDigit(start) { return start + character(start).length }
        if bytes[start] == 0x27 {
            let length = contraction(start, foldsCase: false)
            if length > 0 { return start + length }
        }
        var head = start
        if bytes[start] == 0x20, !isEnd(start + 1, isolatesDigits), character(start + 1).kind != CharacterClass.space {
            head = start + 1
        }
        let first = character(head)
        let index = head + first.length
        switch first.kind {
        case CharacterClass.space: return endOfGPT2Space(start, isolatesDigits)
        case CharacterClass.letter: return endOfWord(index, 1 << CharacterClass.letter)
        case CharacterClass.number: return endOfClass(index, 1 << CharacterClass.number, isolatesDigits)
        default: return endOfClass(index, 1 << CharacterClass.other | 1 << CharacterClass.mark, isolatesDigits)
        }
    }

    /// As `endOfRun`, but a character that is isolated as a digit ends the run whatever its class.
    private mutating func endOfClass(_ start: Int, _ classes: UInt8, _ isolatesDigits: Bool) -> Int {
        guard isolatesDigits else { return endOfRun(start, classes) }
        var index = start
        while !isEnd(index, isolatesDigits) {
            let next = character(index)
            guard classes >> next.kind & 1 != 0 else { return index }
            index += next.length
        }
        return index
    }

    private mutating func endOfGPT2Space(_ start: Int, _ isolatesDigits: Bool) -> Int {
        let run = whiteSpace(start)
        // `\s+(?!\S)` leaves the last white-space character to the next piece.
        return !isEnd(run.end, isolatesDigits) && run.last > start ? run.last : run.end
    }

    private func isEnd(_ index: Int, _ isolatesDigits: Bool) -> Bool { index >= end || isolatesDigits && isDigit(index) }

    private func isDigit(_ index: Int) -> Bool {
        let scalar = decodeScalar(bytes, at: index, end: end)
        return scalar.isValid && flags[Int(scalar.value)] & CharacterTable.digit != 0
    }
}
