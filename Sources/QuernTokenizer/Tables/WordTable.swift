// The words of a vocabulary: what a short piece is looked up in before it is merged.
//
// Keys of up to 15 bytes in slots of half a cache line; CQuernText looks them up (qt_slot). Invariants: at most three fifths full; an
// entry is the encoding of its bytes alone, never the id of an equally spelled token that merging does not produce.
import CQuernText

struct WordTable: @unchecked Sendable {
    static let maxLength = 15

    let slots: Slab<qt_slot>
    let mask: Int

    /// - Parameter capacity: how many words will be added at most.
    init(capacity: Int) {
        var size = 64
        while size * 3 < capacity * 5 { size *= 2 }
        slots = Slab(size)
        mask = size - 1
    }

    /// Adds a word of 1...15 bytes that encodes to one token; a word that is there already stays.
    func insert(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ token: TokenID) {
        qt_vocabulary_insert(slots.base, mask, bytes, count, token)
    }
}
