// What one thread has met before: short words, longer ones, and spans, in memory of a fixed size.
//
// CQuernText reads and fills them (qt_caches). Invariant: an entry is the encoding of its bytes alone, so that nothing but speed
// depends on what was encoded before.
import CQuernText

final class WordCaches {
    private let words = Slab<qt_slot>(Int(QT_WORDS))
    private let longWords = Slab<qt_long_slot>(Int(QT_LONG_WORDS))
    private let spans = Slab<qt_span>(Int(QT_SPANS))
    private let ring = Slab<UInt8>(Int(QT_RING))
    /// For the C functions. Its pointers live as long as the slabs above.
    let state: UnsafeMutablePointer<qt_caches>

    init() {
        state = .allocate(capacity: 1)
        state.initialize(
            to: qt_caches(words: words.base, long_words: longWords.base, spans: spans.base, ring: ring.base, ring_head: 0))
    }

    deinit { state.deallocate() }
}
