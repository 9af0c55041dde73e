// The words of a vocabulary: what a short piece is looked up in before it is merged.
//
// Keys of up to 15 bytes in slots of half a cache line; CQuernText looks them up (qt_slot). Invariants: at most three fifths full;
// an entry is the encoding of its bytes alone, never the id of an equally spelled token that merging does not produce.
import CQuernText

struct WordTable: @unchecked Sendable {
    static let maxLength = 15

    let slots: Slab<qt_slot>
    let mask: Int

    /// - Parameter isWord: by token, whether it encodes to itself wherever it is a piece.
    init(_ tokens: TokenList, isWord: [Bool]) {
        var size = 64
        while size * 3 < tokens.count * 5 { size *= 2 }
        slots = Slab(size)
        mask = size - 1
        isWord.withUnsafeBytes { isWord in
            let marks = isWord.bindMemory(to: UInt8.self).baseAddress
            qt_vocabulary_fill(slots.base, mask, tokens.bytes, tokens.ends, marks, tokens.count)
        }
    }
}
