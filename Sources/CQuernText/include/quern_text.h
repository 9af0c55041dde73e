// The inner loops of the tokenizer: where text is cut into pieces (hand-written scanners of the supported split patterns), and
// how a short piece is merged.
//
// Owns: these loops. Does not own: memory, tables (Unicode classes, ranks and tokens are the caller's), what a piece is looked up
// in before it is merged. Prefix qt_.
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

// ---- merging ---------------------------------------------------------------------------------------------------------

// The rank of pairs that do not merge. Ids have 21 bits and ranks 22.
enum { QT_NO_RANK = (1 << 22) - 1, QT_BUCKET = 8 };
static const uint64_t QT_PAIR_HASH = 0x9E3779B97F4A7C15;

// What merging reads; the caller's tables, in which every id and rank is valid.
typedef struct {
    // Pairs in buckets of one cache line: left << 43 | right << 22 | QT_NO_RANK - rank, 0 where free. The bucket is the hash shifted
    // right; where that one is full, the next, the first after the last.
    const uint64_t *slots;
    size_t bucket_count;
    unsigned shift;
    // A bit for the top 20 bits of every pair's hash, 2^20 bits: none where the pair does not merge.
    const uint64_t *filter;
    // rank -> token; NULL where the token is rank + first_result.
    const int32_t *results;
    int32_t first_result;
    // first byte << 8 | second byte -> rank, QT_NO_RANK where they do not merge.
    const uint32_t *byte_ranks;
    // byte -> token, negative for bytes that are dropped.
    const int32_t *initial;
    // Characters that may be taken whole: token + 1, with bit 31 only behind a byte that is not ASCII; 0 for others. Indexed by
    // code point up to U+FFFF, then U+1F000...U+1FFFF. NULL: bytes only.
    const uint32_t *characters;
} qt_merges;

static inline uint64_t qt_pair_key(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 21 | (uint32_t)right; }

// The rank at which two tokens merge, or QT_NO_RANK.
static inline uint32_t qt_rank(const qt_merges *merges, int32_t left, int32_t right) {
    uint64_t key = qt_pair_key(left, right), hash = key * QT_PAIR_HASH;
    for (size_t bucket = hash >> merges->shift;; bucket = bucket + 1 < merges->bucket_count ? bucket + 1 : 0)
        for (size_t k = 0; k < QT_BUCKET; k++) {
            uint64_t slot = merges->slots[bucket * QT_BUCKET + k];
            if (slot == 0) return QT_NO_RANK;
            if (slot >> 22 == key) return QT_NO_RANK - (uint32_t)(slot & QT_NO_RANK);
        }
}

// left, right -> result, in order of rank.
typedef struct {
    int32_t left, right, result;
} qt_merge;

// Fills the slots and the filter of `merges`, which have room; the first of equal pairs stays. byte_of[token] + 1 is the byte that a
// token below `byte_count` stands for, 0 where it does not: pairs of those go to the grid as well, which was filled with QT_NO_RANK.
void qt_fill_pairs(
    const qt_merges *merges, uint64_t *slots, uint64_t *filter, uint32_t *byte_ranks, const uint16_t *byte_of, size_t byte_count,
    const qt_merge *list, size_t count);

enum { QT_WORD_MAX = 128 };

// A word to be merged: at most QT_WORD_MAX bytes, room for an id per byte, and the number of ids found.
typedef struct {
    const uint8_t *bytes;
    size_t length;
    int32_t *ids;
    size_t count;
} qt_word;

// Encodes every word: of adjacent tokens the pair of the lowest rank merges, the leftmost among equals, until none does.
void qt_merge_words(const qt_merges *merges, qt_word *words, size_t count);

// ---- words -----------------------------------------------------------------------------------------------------------

// A word of up to 15 bytes with its length in the top byte of `high`, never zero; up to four ids, their number in the top byte
// of the last.
typedef struct {
    uint64_t low, high;
    uint32_t ids[4];
} qt_slot;

// What is shared by threads.
typedef struct {
    qt_merges merges;
    // The vocabulary's words, each one id: open addressing, a power of two of slots, not full.
    const qt_slot *words;
    size_t word_mask;
    // A bit for every hash of four bytes around an inner character boundary of a token: where the text's are not among them, both
    // sides encode independently. NULL: pieces are not cut.
    const uint64_t *joins;
    // Longer parts are left to the caller; at most QT_WORD_MAX.
    size_t longest;
} qt_tables;

// Adds the tokens marked in `is_word` that have 1...15 bytes, each of which encodes to itself; the first of equals stays. Token i
// ends at ends[i] of the bytes; `words` has room.
void qt_vocabulary_fill(
    qt_slot *words, size_t mask, const uint8_t *bytes, const uint32_t *ends, const uint8_t *is_word, size_t count);

// Words of up to 31 bytes and eight ids: their length in the top byte of the last id but one, their number in that of the last.
typedef struct {
    uint64_t key[4];
    uint32_t ids[8];
} qt_long_slot;

// A span of up to QT_SPAN_MAX bytes in the ring, its ids behind its bytes.
typedef struct {
    uint64_t hash, start;
    uint32_t length, count;
} qt_span;

enum { QT_WORDS = 1 << 16, QT_LONG_WORDS = 1 << 14, QT_SPANS = 1 << 14, QT_RING = 1 << 21, QT_SPAN_MAX = 256 };

// What one thread has met before: arrays of the lengths above, zeroed at first.
typedef struct {
    qt_slot *words;
    qt_long_slot *long_words;
    qt_span *spans;
    uint8_t *ring;
    size_t ring_head;
} qt_caches;

// How far qt_encode has come: the piece at hand, where in it, and the length of a part that is too long for it.
typedef struct {
    size_t piece, start, stuck;
} qt_progress;

// Encodes the pieces of `text` that begin at `starts` (the last ends at `end`) from *progress on, and returns the number of ids. Ids
// are written to `out`, which has room for one per byte and eight more. A part longer than `longest` stops it: the caller encodes
// the `stuck` bytes at `start` and calls again. Nothing at or past `limit` is read.
size_t qt_encode(
    const qt_tables *tables, qt_caches *caches, const uint8_t *text, const uint8_t *limit, const uint32_t *starts, size_t count,
    size_t end, qt_progress *progress, int32_t *out);

// The ids of a span met before and their number, 0 when it is not known.
size_t qt_find_span(const qt_caches *caches, const uint8_t *bytes, size_t length, int32_t *out);
void qt_insert_span(qt_caches *caches, const uint8_t *bytes, size_t length, const int32_t *ids, size_t count);

#ifdef __cplusplus
}
#endif

#endif
