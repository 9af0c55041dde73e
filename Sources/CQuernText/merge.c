// Byte-pair encoding of short words: the lowest rank first, leftmost among equals.
//
// A word's next step waits for look-ups in tables of megabytes, so several words take their steps in turns: while one waits, the
// others go on. The rank of every adjacent pair is kept in one small array, whose minimum is the next step.
#include <string.h>

#include "scan.h"

#pragma clang diagnostic ignored "-Wpsabi"

// NOWHERE is the place that stands for "no neighbour"; what is written there does not count.
enum { LANES = 8, IDLE = 0x7FFFFFFF, NOWHERE = QT_WORD_MAX };

typedef int32_t keys16 __attribute__((vector_size(64)));
typedef uint64_t slots8 __attribute__((vector_size(64)));

// A bucket without pairs.
static const uint64_t empty_bucket[8] __attribute__((aligned(64)));

// A pair whose bucket was asked for: its key, and the place where the answer belongs.
typedef struct {
    uint64_t key;
    const uint64_t *bucket;
    unsigned place;
} question;

// A word on its way.
typedef struct {
    int32_t keys[QT_WORD_MAX + 16];  // rank << 8 | place of the pair that begins at each place
    int32_t ids[QT_WORD_MAX + 1];
    uint8_t next[QT_WORD_MAX + 1], previous[QT_WORD_MAX + 1];
    unsigned count, first_questions;
    size_t word;
    question questions[QT_WORD_MAX];
} lane;

QT_INLINE question ask(const qt_merges *merges, unsigned place, int32_t left, int32_t right, int is_pair) {
    uint64_t key = qt_pair_key(left, right), product = key * QT_PAIR_HASH;
    const uint64_t *bucket = merges->slots + (product >> merges->shift) * 8;
    int may_merge = is_pair & (int)(merges->filter[product >> 50] >> (product >> 44 & 63) & 1);
    bucket = __builtin_unpredictable(may_merge) ? bucket : empty_bucket;
    __builtin_prefetch(bucket);
    return (question){key, bucket, place};
}

QT_INLINE void answer(const qt_merges *merges, question question, lane *lane) {
    slots8 slots;
    memcpy(&slots, question.bucket, sizeof slots);
    // Ranks are stored as what they lack to QT_NO_RANK, so that no match gives just that.
    uint32_t rank = QT_NO_RANK - (uint32_t)(__builtin_reduce_or(slots & (slots8)(slots >> 22 == question.key)) & QT_NO_RANK);
    if (rank == QT_NO_RANK && slots[7] != 0)    // the pair may be in the next bucket
        rank = qt_rank(merges, (int32_t)(question.key >> 21), (int32_t)(question.key & 0x1FFFFF));
    int32_t key = (int32_t)(rank << 8 | question.place);
    lane->keys[question.place] = __builtin_unpredictable(rank == QT_NO_RANK) ? IDLE : key;
}

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
            uint32_t entry = value < 0x10000 ? merges->characters[value] : 0;
            if (value >> 12 == 0x1F) entry = merges->characters[value - 0xF000];
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
    lane->first_questions = 0;
    for (unsigned place = 0; place < count; place += 16)
        for (unsigned k = 0; k < 16; k++) lane->keys[place + k] = IDLE;
    for (unsigned place = 0; place < count; place++) {
        lane->next[place] = (uint8_t)(place + 1);
        lane->previous[place] = (uint8_t)(place - 1);
    }
    lane->previous[0] = NOWHERE;
    lane->questions[0] = lane->questions[1] = (question){0, empty_bucket, NOWHERE};
    if (is_ascii && count == length) {
        for (unsigned place = 0; place + 1 < count; place++) {
            uint32_t rank = merges->byte_ranks[bytes[place] << 8 | bytes[place + 1]];
            lane->keys[place] = rank == QT_NO_RANK ? IDLE : (int32_t)(rank << 8 | place);
        }
    } else {
        lane->first_questions = count - (count > 0);
        for (unsigned place = 0; place + 1 < count; place++)
            lane->questions[place] = ask(merges, place, lane->ids[place], lane->ids[place + 1], 1);
    }
}

QT_INLINE void answer_all(const qt_merges *merges, lane *lane) {
    answer(merges, lane->questions[0], lane);
    answer(merges, lane->questions[1], lane);
    for (unsigned index = 2; index < lane->first_questions; index++) answer(merges, lane->questions[index], lane);
    lane->first_questions = 0;
}

// One merge; false when none is left.
QT_INLINE int step(const qt_merges *merges, lane *lane) {
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
    lane->questions[0] = ask(merges, left, token, lane->ids[after], after < lane->count);
    lane->questions[1] = ask(merges, before, lane->ids[before], token, before != NOWHERE);
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
    for (unsigned index = 0; index < LANES; index++) memset(lanes[index].ids, 0, sizeof lanes[index].ids);
    lane *turns[LANES];
    size_t taken = 0, active = 0;
    for (; active < LANES && taken < count; active++) {
        turns[active] = &lanes[active];
        begin(merges, words, taken++, turns[active]);
    }
    // All answers, then all steps: a word's keys are in the cache, and what it asks for has arrived, when its turn comes.
    while (active > 0) {
        for (size_t turn = 0; turn < active; turn++) answer_all(merges, turns[turn]);
        for (size_t turn = 0; turn < active;) {
            lane *lane = turns[turn];
            if (step(merges, lane)) {
                turn++;
                continue;
            }
            finish(words, lane);
            if (taken < count) {
                begin(merges, words, taken++, lane);
                turn++;
            } else {
                turns[turn] = turns[--active];
            }
        }
    }
}

static void merge_portable(const qt_merges *merges, qt_word *words, size_t count) { merge_words(merges, words, count); }

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static void merge_avx2(
    const qt_merges *merges, qt_word *words, size_t count) {
    merge_words(merges, words, count);
}
#endif

void qt_merge_words(const qt_merges *merges, qt_word *words, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return merge_avx2(merges, words, count);
#endif
    merge_portable(merges, words, count);
}

void qt_fill_pairs(
    const qt_merges *merges, uint64_t *slots, uint64_t *filter, uint32_t *byte_ranks, const uint16_t *byte_of, size_t byte_count,
    const qt_merge *list, size_t count) {
    enum { AHEAD = 16 };
    size_t total = merges->bucket_count * QT_BUCKET;
    for (size_t rank = 0; rank < count; rank++) {
        if (rank + AHEAD < count) {
            uint64_t ahead = qt_pair_key(list[rank + AHEAD].left, list[rank + AHEAD].right) * QT_PAIR_HASH;
            __builtin_prefetch(slots + (ahead >> merges->shift) * QT_BUCKET, 1);
        }
        size_t left = (size_t)list[rank].left, right = (size_t)list[rank].right;
        uint64_t key = qt_pair_key(list[rank].left, list[rank].right), hash = key * QT_PAIR_HASH;
        size_t place = (hash >> merges->shift) * QT_BUCKET;
        while (slots[place] != 0 && slots[place] >> 22 != key) place = place + 1 < total ? place + 1 : 0;
        if (slots[place] != 0) continue;
        slots[place] = key << 22 | (QT_NO_RANK - (uint32_t)rank);
        filter[hash >> 50] |= (uint64_t)1 << (hash >> 44 & 63);
        if (left < byte_count && right < byte_count && byte_of[left] && byte_of[right])
            byte_ranks[(size_t)(byte_of[left] - 1) << 8 | (size_t)(byte_of[right] - 1)] = (uint32_t)rank;
    }
}
