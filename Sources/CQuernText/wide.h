// Classes of the characters in a window of 64 bytes.
//
// ASCII by comparing bytes; beyond it the letters of the most used scripts and common punctuation by comparing lead bytes and
// what follows them; the rest one by one in the caller's table. The comparisons say what the table says, for every Unicode
// version from 15 on: the blocks named here are complete.
#ifndef QT_WIDE_H
#define QT_WIDE_H

#include <string.h>

#include "scan.h"

// Vectors are passed only between inlined functions, so their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef uint8_t bytes64 __attribute__((vector_size(64)));
typedef int8_t signed64 __attribute__((vector_size(64)));
typedef _Bool bools64 __attribute__((ext_vector_type(64)));

// One bit for every byte where the comparison holds.
QT_INLINE uint64_t bits_of(signed64 comparison) {
    bools64 bools = __builtin_convertvector(comparison, bools64);
    uint64_t bits;
    memcpy(&bits, &bools, sizeof bits);
    return bits;
}

QT_INLINE uint64_t first_bits(unsigned count) { return count < 64 ? ((uint64_t)1 << count) - 1 : ~(uint64_t)0; }

// Bits of a window: the class of each byte's character, and bytes that are not the first of theirs. Only the first `size` count.
typedef struct {
    uint64_t letter, number, space, inner;
    unsigned size;
} window;

// The last character that was looked up, for adjacent ones whose order normalising may change.
typedef struct {
    unsigned flags, end;
} neighbour;

// Bytes between `from` and `to`.
QT_INLINE uint64_t between(bytes64 b, uint8_t from, uint8_t to) { return bits_of((b - from) <= (uint8_t)(to - from)); }

// Looks up the character at `at`; its length, or 0 when the window must end before it.
QT_INLINE unsigned place_character(const qt_scan *scan, size_t base, unsigned at, neighbour *last, window *w) {
    unsigned length;
    uint32_t value = qt_decode(scan->text + base, at, scan->end - base, &length);
    if (at + length > 64) return 0;
    unsigned flags = value == QT_INVALID ? QT_OTHER : scan->flags[value];
    unsigned is_unordered = at == last->end ? flags & last->flags & QT_NON_STARTER : 0;
    if (scan->stops_at_suspects && (flags & QT_SUSPECT || is_unordered)) return 0;
    *last = (neighbour){flags, at + length};
    unsigned kind = flags & QT_CLASS_MASK;
    if (kind == QT_MARK && scan->family == QT_QWEN35) kind = QT_LETTER;
    uint64_t all = first_bits(length) << at;
    w->inner = (w->inner & ~all) | (all & all << 1);
    if (value == QT_INVALID)
        for (unsigned next = at + 1; next < 64 && w->inner >> next & 1; next++) w->inner &= ~((uint64_t)1 << next);
    w->letter = (w->letter & ~all) | (kind == QT_LETTER ? all : 0);
    w->number = (w->number & ~all) | (kind == QT_NUMBER ? all : 0);
    w->space = (w->space & ~all) | (kind == QT_SPACE ? all : 0);
    return length;
}

// Lead bytes of characters of two bytes that are letters: U+00C0-017F but × and ÷, U+0400-047F, U+05D0-05EA, U+0620-064A,
// U+0680-06D3.
QT_INLINE uint64_t letters_of_two(bytes64 b) {
    uint64_t latin = (between(b, 0xC3, 0xC5) & ~(bits_of(b == 0xC3) & bits_of((b & 0xDF) == 0x97) >> 1));
    uint64_t letters = latin | between(b, 0xD0, 0xD1) | bits_of(b == 0xDA);
    uint64_t hebrew = bits_of(b == 0xD7), arabic = between(b, 0xD8, 0xDB);
    if (hebrew) letters |= hebrew & between(b, 0x90, 0xAA) >> 1;
    if (arabic)
        letters |= (bits_of(b == 0xD8) & between(b, 0xA0, 0xBF) >> 1) | (bits_of(b == 0xD9) & between(b, 0x80, 0x8A) >> 1) |
                   (bits_of(b == 0xDB) & between(b, 0x80, 0x93) >> 1);
    return letters;
}

// Lead bytes of characters of three bytes that are letters: U+3041-3094, U+30A1-30FF but U+30FB, U+4E00-9FFF, U+AC00-D77F.
QT_INLINE uint64_t letters_of_three(bytes64 b) {
    uint64_t letters = between(b, 0xE5, 0xE9) | (bits_of(b == 0xE4) & between(b, 0xB8, 0xBF) >> 1);
    uint64_t kana = bits_of(b == 0xE3), hangul = between(b, 0xEA, 0xED);
    if (kana) {
        uint64_t third_is = bits_of(b == 0x81) >> 1 & ~(bits_of(b == 0x80) >> 2);
        third_is |= bits_of(b == 0x82) >> 1 & (between(b, 0x80, 0x94) >> 2 | between(b, 0xA1, 0xBF) >> 2);
        third_is |= bits_of(b == 0x83) >> 1 & ~(bits_of(b == 0xBB) >> 2);
        letters |= kana & third_is;
    }
    if (hangul)
        letters |= between(b, 0xEB, 0xEC) | (bits_of(b == 0xEA) & between(b, 0xB0, 0xBF) >> 1) |
                   (bits_of(b == 0xED) & between(b, 0x80, 0x9D) >> 1);
    return letters;
}

// Lead bytes of characters of three bytes that are symbols: U+200B-2027, U+2030-203F, U+3001-3003, U+3008-3011, U+FF01-FF0F,
// U+FF1A-FF20.
QT_INLINE uint64_t symbols_of_three(bytes64 b) {
    uint64_t general = bits_of(b == 0xE2) & bits_of(b == 0x80) >> 1 & (between(b, 0x8B, 0xA7) >> 2 | between(b, 0xB0, 0xBF) >> 2);
    uint64_t cjk = bits_of(b == 0xE3) & bits_of(b == 0x80) >> 1 & (between(b, 0x81, 0x83) >> 2 | between(b, 0x88, 0x91) >> 2);
    uint64_t full = bits_of(b == 0xEF) & bits_of(b == 0xBC) >> 1 & (between(b, 0x81, 0x8F) >> 2 | between(b, 0x9A, 0xA0) >> 2);
    return general | cjk | full;
}

QT_INLINE void classify_wide(const qt_scan *scan, size_t base, bytes64 b, uint64_t wide, window *w) {
    uint64_t two = bits_of((b & 0xE0) == 0xC0) & wide, three = bits_of((b & 0xF0) == 0xE0) & wide, four = bits_of(b >= 0xF0) & wide;
    uint64_t inner = bits_of((b & 0xC0) == 0x80) & wide;
    uint64_t expected = (two | three | four) << 1 | (three | four) << 2 | four << 3;
    neighbour last = {0, ~0u};
    uint64_t rest = wide;
    if (inner == expected) {
        uint64_t known = 0, letters = 0;
        if (two) {
            uint64_t found = two & letters_of_two(b);
            letters |= found | found << 1;
            known |= found;
        }
        if (three) {
            uint64_t found = three & letters_of_three(b);
            letters |= found | found << 1 | found << 2;
            known |= found | (three & symbols_of_three(b));
        }
        // U+1F300-1FBBF.
        if (four) known |= four & bits_of(b == 0xF0) & bits_of(b == 0x9F) >> 1 & between(b, 0x8C, 0xAE) >> 2;
        // A character that the window cuts.
        uint64_t cut = (two & (uint64_t)1 << 63) | (three & (uint64_t)3 << 62) | (four & (uint64_t)7 << 61);
        if (cut) w->size = (unsigned)__builtin_ctzll(cut);
        w->letter |= letters;
        w->inner = inner;
        rest = (two | three | four) & ~known;
    }
    rest &= first_bits(w->size);
    while (rest) {
        unsigned at = (unsigned)__builtin_ctzll(rest);
        unsigned length = place_character(scan, base, at, &last, w);
        if (length == 0) {
            w->size = at;
            return;
        }
        rest &= ~(first_bits(length) << at);
    }
}

// Classes of the first `size` bytes of b, which are the text at `base`; fewer where something needs a closer look.
QT_INLINE window classify(const qt_scan *scan, size_t base, bytes64 b, unsigned size) {
    bytes64 folded = b | 0x20;
    window w = {
        .letter = between(folded, 'a', 'z'), .number = between(b, '0', '9'), .space = bits_of(b == ' ') | between(b, '\t', '\r'),
        .inner = 0, .size = size};
    uint64_t wide = bits_of(b >= 0x80) & first_bits(size);
    if (wide) classify_wide(scan, base, b, wide, &w);
    return w;
}

#endif
