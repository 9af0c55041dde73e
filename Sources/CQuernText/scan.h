// What the scanners share: decoding one character, contractions, and the type of a window function.
#ifndef QT_SCAN_H
#define QT_SCAN_H

#include "quern_text.h"

#define QT_INLINE static inline __attribute__((always_inline))

enum { QT_INVALID = 0xFFFFFFFF };

// The character at `index`, which is before `end`; its length in *length. QT_INVALID, with length 1, for invalid UTF-8.
QT_INLINE uint32_t qt_decode(const uint8_t *text, size_t index, size_t end, unsigned *length) {
    const uint8_t *b = text + index;
    size_t left = end - index;
    *length = 1;
    if (b[0] < 0x80) return b[0];
    if ((b[0] & 0xF0) == 0xE0 && left >= 3) {
        uint32_t value = (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
        if ((b[1] & 0xC0) == 0x80 && (b[2] & 0xC0) == 0x80 && value >= 0x800 && (value & 0xF800) != 0xD800) {
            *length = 3;
            return value;
        }
    } else if ((b[0] & 0xE0) == 0xC0 && b[0] >= 0xC2 && left >= 2) {
        if ((b[1] & 0xC0) == 0x80) {
            *length = 2;
            return (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
        }
    } else if ((b[0] & 0xF8) == 0xF0 && left >= 4) {
        uint32_t value = (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3F) << 12 | (uint32_t)(b[2] & 0x3F) << 6 |
                         (b[3] & 0x3F);
        int is_formed = (b[1] & 0xC0) == 0x80 && (b[2] & 0xC0) == 0x80 && (b[3] & 0xC0) == 0x80;
        if (is_formed && value >= 0x10000 && value < 0x110000) {
            *length = 4;
            return value;
        }
    }
    return QT_INVALID;
}

// Length of 's 't 're 've 'm 'll 'd at an apostrophe, 0 if none; with case folding U+017F counts as s.
QT_INLINE size_t qt_contraction(const uint8_t *text, size_t start, size_t end, int folds_case) {
    unsigned first = start + 1 < end ? text[start + 1] : 0;
    unsigned second = start + 2 < end ? text[start + 2] : 0;
    if (folds_case && first == 0xC5) return second == 0xBF ? 3 : 0;
    unsigned fold = folds_case ? 0x20 : 0;
    // Only letters are folded: a few symbols differ from small letters by the same bit, none from those below.
    switch (first | fold) {
        case 's': case 't': case 'm': case 'd': return 2;
        case 'r': case 'v': return (second | fold) == 'e' ? 3 : 0;
        case 'l': return (second | fold) == 'l' ? 3 : 0;
        default: return 0;
    }
}

// End of the piece at `start`, character by character. Adds the flags of every character looked at that is not ASCII to *seen,
// and QT_SUSPECT for two adjacent ones whose order normalising may change.
size_t qt_next_piece(const qt_scan *scan, size_t start, uint8_t *seen);

#endif
