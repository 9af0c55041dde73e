// Byte-pair encoding of short words: the lowest rank first, leftmost among equals.
//
// A word's next step waits for look-ups in tables of megabytes, so several words take their steps in turns: while one waits, the
// others go on. The rank of every adjacent pair is kept in one small array, whose minimum is the next step.
#include <string.h>

#include "scan.h"

#pragma clang diagnostic ignored "-Wpsabi"

enum { LANES = 8, IDLE = 0x7FFFFFFF, NONE = (1 << 22) - 1, NOWHERE = 0xFF };

typedef int32_t keys16 __attribute__((vector_size(64)));

static const uint64_t empty_slot = ~(uint64_t)0;

// A word on its way. One place more than a word has bytes stands for "no neighbour".
typedef struct {
    int32_t keys[QT_WORD_MAX + 16];  // rank << 8 | place of the pair that begins at each place
    int32_t ids[QT_WORD_MAX + 1];
    uint8_t next[QT_WORD_MAX + 1], previous[QT_WORD_MAX + 1];
    // Pairs whose slots were asked for: their keys, where they begin, and where the answer belongs.
    uint64_t asked[QT_WORD_MAX];
    const uint64_t *slots[QT_WORD_MAX];
    uint8_t places[QT_WORD_MAX];
    unsigned count, waiting;
    size_t word;
} lane;

QT_INLINE uint64_t pair_key(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 21 | (uint32_t)right; }

QT_INLINE void ask(const qt_merges *merges, lane *lane, unsigned place, int32_t left, int32_t right) {
    uint64_t key = pair_key(left, right), product = key * 0x9E3779B97F4A7C15;
    uint64_t bit = product >> 44;
    int may_merge = merges->filter[bit >> 6] >> (bit & 63) & 1;
    const uint64_t *slot = may_merge ? merges->slots + (product >> merges->shift) : &empty_slot;
    __builtin_prefetch(slot);
    lane->asked[lane->waiting] = key;
    lane->slots[lane->waiting] = slot;
    lane->places[lane->waiting++] = (uint8_t)place;
}

QT_INLINE uint32_t answer(const qt_merges *merges, const uint64_t *slot, uint64_t key) {
    for (;;) {
        uint64_t entry = *slot;
        if (entry >> 22 == key) return (uint32_t)entry & NONE;
        if (entry == empty_slot) return NONE;
        if (++slot == merges->slots + merges->slot_count) slot = merges->slots;
    }
}

QT_INLINE int32_t key_of(uint32_t rank, unsigned place) { return rank == NONE ? IDLE : (int32_t)(rank << 8 | place); }

// The first symbols of a word: characters that may be taken whole, single bytes otherwise. Bytes without a token are dropped.
QT_INLINE unsigned first_symbols(const qt_merges *merges, const uint8_t *bytes, size_t length, int32_t *ids, int *is_ascii) {
    unsigned count = 0;
    int after_high = 0;
    uint8_t high = 0;
    for (size_t index = 0; index < length;) {
        uint8_t byte = bytes[index];
        high |= byte;
        if (byte >= 0xC2 && merges->characters) {
            unsigned size;
            uint32_t value = qt_decode(bytes, index, length, &size);
            uint32_t entry = value < 0x10000 ? merges->characters[value] : value >> 12 == 0x1F ? merges->characters[value - 0xF000] : 0;
            int holds = entry != 0 && (after_high || !(entry >> 31));
            after_high = 1;
            if (holds) {
                ids[count++] = (int32_t)(entry & 0x7FFFFFFF) - 1;
                index += size;
                continue;
            }
        } else {
            after_high = byte >= 0x80;
        }
        int32_t id = merges->initial[byte];
        ids[count] = id;
        count += id >= 0;
        index++;
    }
    *is_ascii = high < 0x80;
    return count;
}

QT_INLINE void begin(const qt_merges *merges, const qt_word *words, size_t word, lane *lane) {
    const uint8_t *bytes = words[word].bytes;
    size_t length = words[word].length;
    int is_ascii;
    unsigned count = first_symbols(merges, bytes, length, lane->ids, &is_ascii);
    lane->word = word;
    lane->count = count;
    lane->waiting = 0;
    for (unsigned place = 0; place < (count + 15) / 16 * 16; place++) lane->keys[place] = IDLE;
    for (unsigned place = 0; place < count; place++) {
        lane->next[place] = (uint8_t)(place + 1);
        lane->previous[place] = (uint8_t)(place - 1);
    }
    if (is_ascii && count == length) {
        for (unsigned place = 0; place + 1 < count; place++)
            lane->keys[place] = key_of(merges->byte_ranks[bytes[place] << 8 | bytes[place + 1]], place);
    } else {
        for (unsigned place = 0; place + 1 < count; place++) ask(merges, lane, place, lane->ids[place], lane->ids[place + 1]);
    }
}

// One merge; false when none is left.
QT_INLINE int step(const qt_merges *merges, lane *lane) {
    for (unsigned index = 0; index < lane->waiting; index++) {
        unsigned place = lane->places[index];
        lane->keys[place] = key_of(answer(merges, lane->slots[index], lane->asked[index]), place);
    }
    lane->waiting = 0;
    keys16 keys;
    memcpy(&keys, lane->keys, sizeof keys);
    for (unsigned place = 16; place < lane->count; place += 16) {
        keys16 more;
        memcpy(&more, lane->keys + place, sizeof more);
        keys = __builtin_elementwise_min(keys, more);
    }
    int32_t best = __builtin_reduce_min(keys);
    if (best == IDLE) return 0;
    unsigned left = (unsigned)best & 0xFF;
    int32_t rank = best >> 8;
    int32_t token = merges->results ? merges->results[rank] : rank + merges->first_result;
    unsigned right = lane->next[left], after = lane->next[right], before = lane->previous[left];
    lane->ids[left] = token;
    lane->keys[right] = IDLE;
    lane->keys[left] = IDLE;
    lane->next[left] = (uint8_t)after;
    lane->previous[after] = (uint8_t)left;
    if (after < lane->count) ask(merges, lane, left, token, lane->ids[after]);
    if (before != NOWHERE) ask(merges, lane, before, lane->ids[before], token);
    return 1;
}

QT_INLINE void finish(qt_word *words, const lane *lane) {
    int32_t *out = words[lane->word].ids;
    unsigned written = 0;
    for (unsigned place = 0; place < lane->count; place = lane->next[place]) out[written++] = lane->ids[place];
    words[lane->word].count = written;
}

QT_INLINE void merge_words(const qt_merges *merges, qt_word *words, size_t count) {
    lane lanes[LANES];
    lane *turns[LANES];
    size_t taken = 0, active = 0;
    for (; active < LANES && taken < count; active++) {
        turns[active] = &lanes[active];
        begin(merges, words, taken++, turns[active]);
    }
    size_t turn = 0;
    while (active > 0) {
        lane *lane = turns[turn];
        if (!step(merges, lane)) {
            finish(words, lane);
            if (taken < count) {
                begin(merges, words, taken++, lane);
            } else {
                turns[turn] = turns[--active];
            }
        }
        if (++turn >= active) turn = 0;
    }
}

static void merge_portable(const qt_merges *merges, qt_word *words, size_t count) { merge_words(merges, words, count); }

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static void merge_avx2(const qt_merges *merges, qt_word *words, size_t count) {
    merge_words(merges, words, count);
}
#endif

void qt_merge_words(const qt_merges *merges, qt_word *words, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return merge_avx2(merges, words, count);
#endif
    merge_portable(merges, words, count);
}
