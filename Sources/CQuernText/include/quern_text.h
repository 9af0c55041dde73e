// Where text is cut into pieces before merging: the hand-written scanners of the supported split patterns.
//
// Owns: finding the ends of pieces, by the classes of characters that the caller's table gives. Does not own: memory, Unicode
// data (the table is the caller's), anything about tokens. Prefix qt_.
//
// Invariants
//  1. The character-by-character scanner (scalar.c) is the specification; scanning in windows of 64 bytes (windows.c) gives
//     the same pieces and is tested against it.
//  2. Nothing at or past `end` decides anything, nothing at or past `limit` is read.
//  3. A byte that is not part of valid UTF-8 counts as a character of class "other".
#ifndef QUERN_TEXT_H
#define QUERN_TEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Classes of characters: the low three bits of a table entry.
enum { QT_OTHER = 0, QT_LETTER = 1, QT_MARK = 2, QT_NUMBER = 3, QT_SPACE = 4, QT_CLASS_MASK = 7 };
// Normalising may change the character or join it to the one before.
enum { QT_SUSPECT = 0x08 };
// A character of its own where digits are isolated.
enum { QT_DIGIT = 0x10 };
// Has a combining class: two adjacent ones are suspect.
enum { QT_NON_STARTER = 0x20 };

// Split patterns.
typedef enum { QT_QWEN2, QT_QWEN35, QT_LLAMA3, QT_GPT2, QT_SMOLLM2 } qt_family;

typedef struct {
    const uint8_t *text;
    size_t end;            // of the segment
    size_t limit;          // of what may be read, at least `end`
    const uint8_t *flags;  // one entry per code point, 0x110000 of them
    qt_family family;
    int stops_at_suspects;
} qt_scan;

// How windows are computed: "scalar", "portable", "avx2", "avx512"; NULL stands for the best. NULL when it is not known here.
typedef struct qt_windows qt_windows;
const qt_windows *qt_windows_resolve(const char *requested);
// Name of the i-th that this processor supports, slowest first; NULL past the end.
const char *qt_windows_supported(int i);

enum { QT_MIN_CAPACITY = 128 };

// Cuts the segment into pieces from *position on, which begins one. Writes where pieces begin, relative to the old *position, and
// returns their number, at most `capacity` (at least QT_MIN_CAPACITY); *position is then where the last of them ends. None are
// left at the end of the segment or, with stops_at_suspects, where the next piece has a suspect character in it or right behind.
size_t qt_cut(const qt_windows *windows, const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity);

// Asks for the cache line at `address`.
static inline void qt_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

#ifdef __cplusplus
}
#endif

#endif
