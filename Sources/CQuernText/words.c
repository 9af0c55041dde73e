// Pieces to ids: words met before, the vocabulary's words, and merging for the rest.
//
// Pieces are taken in batches. Keys and hashes come first, so that by the time a word is looked up its cache line has arrived; a
// batch with new words looks all of them up in the vocabulary and merges all that are left together, for the same reason.
// Invariant: an entry of any cache is the encoding of its bytes alone, compared in full before it is used.
#include <string.h>

#include "scan.h"

enum { SHORT_MAX = 15, LONG_MAX = 31, SHORT_IDS = 4, LONG_IDS = 8 };

// ---- short words: up to 15 bytes and four ids ------------------------------------------------------------------------

typedef struct {
    uint64_t low, high;
} word_key;

// The first n bytes of two words.
#define BITS(n) (((uint64_t)1 << (n) % 8 * 8) - 1)
#define MASK(n) {n >= 8 ? ~(uint64_t)0 : BITS(n), n <= 8 ? 0 : BITS(n)}
static const uint64_t masks[16][2] = {
    {0, 0},  MASK(1), MASK(2),  MASK(3),  MASK(4),  MASK(5),  MASK(6),  MASK(7),
    MASK(8), MASK(9), MASK(10), MASK(11), MASK(12), MASK(13), MASK(14), MASK(15)};
#undef MASK
#undef BITS

// The first `length` bytes, 1...15, of which 16 may be read; the length in the top byte.
QT_INLINE word_key short_key(const uint8_t *bytes, size_t length) {
    uint64_t low, high;
    memcpy(&low, bytes, 8);
    memcpy(&high, bytes + 8, 8);
    return (word_key){low & masks[length][0], (high & masks[length][1]) | (uint64_t)length << 56};
}

QT_INLINE uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

QT_INLINE uint64_t hash_of(word_key key) { return fold(key.low ^ 0x9E3779B97F4A7C15, key.high ^ 0xD6E8FEB86659FD93); }

QT_INLINE int holds(const qt_slot *slot, word_key key) { return ((slot->low ^ key.low) | (slot->high ^ key.high)) == 0; }

// A word is in one of two lines of two slots each: its own, or the neighbour in the same 128 bytes.
QT_INLINE qt_slot *line_of(qt_slot *words, uint64_t hash) { return words + ((hash >> 32) & (QT_WORDS - 2)); }

QT_INLINE qt_slot *neighbour_of(qt_slot *words, uint64_t hash) { return words + (((hash >> 32) & (QT_WORDS - 2)) ^ 2); }

// The slot of its own line that holds the word, if one does.
QT_INLINE const qt_slot *find_short(qt_slot *words, word_key key, uint64_t hash) {
    const qt_slot *line = line_of(words, hash);
    return line + holds(line + 1, key);
}

// The slot of either line that holds the word, NULL if none does.
QT_INLINE const qt_slot *find_nearby(qt_slot *words, word_key key, uint64_t hash) {
    const qt_slot *slot = find_short(words, key, hash), *line = neighbour_of(words, hash), *other = line + holds(line + 1, key);
    return holds(slot, key) ? slot : holds(other, key) ? other : NULL;
}

// The same; a word found in the neighbour changes places with the older one of its own line.
QT_INLINE const qt_slot *fetch_nearby(qt_slot *words, word_key key, uint64_t hash) {
    const qt_slot *found = find_nearby(words, key, hash);
    qt_slot *line = line_of(words, hash);
    if (!found || found == line || found == line + 1) return found;
    qt_slot slot = *found;
    words[found - words] = line[1];
    line[1] = slot;
    return line + 1;
}

QT_INLINE void insert_short(qt_slot *words, word_key key, uint64_t hash, const int32_t *ids, size_t count) {
    if (find_nearby(words, key, hash)) return;
    qt_slot *line = line_of(words, hash), *other = neighbour_of(words, hash);
    qt_slot slot = {key.low, key.high, {0}};
    for (size_t index = 0; index < count; index++) slot.ids[index] = (uint32_t)ids[index];
    slot.ids[3] |= (uint32_t)count << 24;
    // The newer is in front; the oldest of the four is dropped.
    if (line[1].high != 0) {
        other[1] = other[0];
        other[0] = line[1];
    }
    line[1] = line[0];
    line[0] = slot;
}

typedef uint32_t ids4 __attribute__((vector_size(16)));

// Stores four ids, of which the returned number count.
QT_INLINE size_t store_short(const qt_slot *slot, int32_t *out) {
    ids4 ids;
    memcpy(&ids, slot->ids, sizeof ids);
    ids &= 0xFFFFFF;
    memcpy(out, &ids, sizeof ids);
    return slot->ids[3] >> 24;
}

QT_INLINE const qt_slot *vocabulary_slot(const qt_tables *tables, uint64_t hash) {
    return tables->words + (hash & tables->word_mask);
}

QT_INLINE const qt_slot *find_vocabulary(const qt_tables *tables, word_key key, uint64_t hash) {
    for (const qt_slot *slot = vocabulary_slot(tables, hash);;) {
        if (holds(slot, key)) return slot;
        if (slot->high == 0) return NULL;
        slot = slot == tables->words + tables->word_mask ? tables->words : slot + 1;
    }
}

void qt_vocabulary_fill(
    qt_slot *words, size_t mask, const uint8_t *bytes, const uint32_t *ends, const uint8_t *is_word, size_t count) {
    // Places are asked for some words ahead.
    enum { AHEAD = 16 };
    word_key keys[AHEAD];
    uint64_t hashes[AHEAD];
    for (size_t index = 0; index < count + AHEAD; index++) {
        size_t slot = index % AHEAD;
        if (index >= AHEAD && keys[slot].high != 0) {
            size_t place = hashes[slot] & mask;
            while (words[place].high != 0 && !holds(words + place, keys[slot])) place = (place + 1) & mask;
            qt_slot entry = {keys[slot].low, keys[slot].high, {(uint32_t)(index - AHEAD), 0, 0, 1u << 24}};
            if (words[place].high == 0) words[place] = entry;
        }
        if (index >= count) continue;
        size_t start = index ? ends[index - 1] : 0, length = ends[index] - start;
        keys[slot].high = 0;
        if (!is_word[index] || length == 0 || length > SHORT_MAX) continue;
        uint8_t padded[16] = {0};
        memcpy(padded, bytes + start, length);
        keys[slot] = short_key(padded, length);
        hashes[slot] = hash_of(keys[slot]);
        __builtin_prefetch(words + (hashes[slot] & mask), 1);
    }
}

// ---- longer words: up to 31 bytes and eight ids ----------------------------------------------------------------------

// Words of 16 bytes or more by their first and last sixteen.
typedef struct {
    uint64_t parts[4];
    uint64_t hash;
    uint32_t length;
} long_key;

QT_INLINE void finish_key(long_key *key) {
    const uint64_t *p = key->parts;
    key->hash = fold(p[0] ^ 0x9E3779B97F4A7C15, p[1] ^ 0xD6E8FEB86659FD93 ^ key->length) +
                fold(p[2] ^ 0xA0761D6478BD642F, p[3] ^ 0xE7037ED1A0B428DB);
}

QT_INLINE long_key key_of_long(const uint8_t *bytes, size_t length) {
    long_key key = {.length = (uint32_t)length};
    memcpy(key.parts, bytes, 16);
    memcpy(key.parts + 2, bytes + length - 16, 16);
    finish_key(&key);
    return key;
}

QT_INLINE long_key key_of_short(word_key word) {
    long_key key = {.parts = {word.low, word.high, 0, 0}, .length = (uint32_t)(word.high >> 56)};
    finish_key(&key);
    return key;
}

// A word is in one of two slots of the same 128 bytes.
QT_INLINE qt_long_slot *long_slot(const qt_caches *caches, const long_key *key) {
    return caches->long_words + ((key->hash >> 20) & (QT_LONG_WORDS - 1));
}

QT_INLINE int holds_long(const qt_long_slot *slot, const long_key *key) {
    return memcmp(slot->key, key->parts, sizeof slot->key) == 0 && slot->ids[6] >> 24 == key->length;
}

// Stores eight ids and returns how many count, 0 when the word is not there.
QT_INLINE size_t find_long(const qt_caches *caches, const long_key *key, int32_t *out) {
    const qt_long_slot *slot = long_slot(caches, key);
    if (!holds_long(slot, key)) {
        slot = caches->long_words + ((size_t)(slot - caches->long_words) ^ 1);
        if (!holds_long(slot, key)) return 0;
    }
    memcpy(out, slot->ids, sizeof slot->ids);
    out[6] &= 0xFFFFFF;
    out[7] &= 0xFFFFFF;
    return slot->ids[7] >> 24;
}

QT_INLINE void insert_long(qt_caches *caches, const long_key *key, const int32_t *ids, size_t count) {
    qt_long_slot slot = {{0}, {0}}, *own = long_slot(caches, key);
    memcpy(slot.key, key->parts, sizeof slot.key);
    for (size_t index = 0; index < count; index++) slot.ids[index] = (uint32_t)ids[index];
    slot.ids[6] |= key->length << 24;
    slot.ids[7] |= (uint32_t)count << 24;
    // The newer is in its own place, which the older leaves for the other.
    if (own->ids[7] != 0) caches->long_words[(size_t)(own - caches->long_words) ^ 1] = *own;
    *own = slot;
}

// ---- spans: 9 to 256 bytes, any number of ids ------------------------------------------------------------------------

// A slot points into a ring that holds the span's bytes and its ids; writing goes round and drops what is oldest.

enum { SPAN_MIN = 9 };

QT_INLINE uint64_t span_hash(const uint8_t *bytes, size_t length) {
    uint64_t state = length * 0x9E3779B97F4A7C15, word = 0;
    for (size_t index = 0; index + 8 <= length; index += 8) {
        memcpy(&word, bytes + index, 8);
        state = fold(state ^ word, 0xD6E8FEB86659FD93);
    }
    memcpy(&word, bytes + length - 8, 8);
    state = fold(state ^ word, 0xA0761D6478BD642F);
    return state ^ state >> 31;
}

QT_INLINE qt_span *span_slot(const qt_caches *caches, uint64_t hash) { return caches->spans + ((hash >> 40) & (QT_SPANS - 1)); }

QT_INLINE size_t id_offset(size_t length) { return (length + 3) & ~(size_t)3; }

static size_t find_span(const qt_caches *caches, const uint8_t *bytes, size_t length, uint64_t hash, int32_t *out) {
    const qt_span *slot = span_slot(caches, hash);
    if (slot->hash != hash || slot->length != length || caches->ring_head - slot->start > QT_RING) return 0;
    const uint8_t *entry = caches->ring + (slot->start & (QT_RING - 1));
    if (memcmp(entry, bytes, length) != 0) return 0;
    memcpy(out, entry + id_offset(length), slot->count * sizeof *out);
    return slot->count;
}

static void insert_span(qt_caches *caches, const uint8_t *bytes, size_t length, uint64_t hash, const int32_t *ids, size_t count) {
    size_t size = id_offset(length) + count * sizeof *ids;
    if ((caches->ring_head & (QT_RING - 1)) + size > QT_RING) caches->ring_head = (caches->ring_head | (QT_RING - 1)) + 1;
    uint8_t *entry = caches->ring + (caches->ring_head & (QT_RING - 1));
    memcpy(entry, bytes, length);
    memcpy(entry + id_offset(length), ids, count * sizeof *ids);
    *span_slot(caches, hash) = (qt_span){hash, caches->ring_head, (uint32_t)length, (uint32_t)count};
    caches->ring_head += size;
}

size_t qt_find_span(const qt_caches *caches, const uint8_t *bytes, size_t length, int32_t *out) {
    return length < SPAN_MIN || length > QT_SPAN_MAX ? 0 : find_span(caches, bytes, length, span_hash(bytes, length), out);
}

void qt_insert_span(qt_caches *caches, const uint8_t *bytes, size_t length, const int32_t *ids, size_t count) {
    if (length >= SPAN_MIN && length <= QT_SPAN_MAX) insert_span(caches, bytes, length, span_hash(bytes, length), ids, count);
}

// ---- batches ---------------------------------------------------------------------------------------------------------

// Pieces or parts of them, one behind the other: where each begins (and the last ends), key and hash of the short ones.
enum { BATCH = 256 };
typedef struct {
    word_key keys[BATCH];
    uint64_t hashes[BATCH];
    size_t begins[BATCH + 1];
} batch;

typedef struct {
    word_key key;
    uint64_t hash;
    size_t start, length;
} item;

QT_INLINE item item_of(const batch *batch, size_t index) {
    size_t start = batch->begins[index];
    return (item){batch->keys[index], batch->hashes[index], start, batch->begins[index + 1] - start};
}

QT_INLINE void prepare_short(qt_slot *words, word_key key, batch *batch, size_t index) {
    uint64_t hash = hash_of(key);
    batch->keys[index] = key;
    batch->hashes[index] = hash;
    __builtin_prefetch(line_of(words, hash));
}

// Short pieces from `piece` on, of which the first begins at `start`: the number prepared. Ends at a long piece and near `full`.
static __attribute__((noinline)) size_t prepare_pieces(
    qt_slot *words, const uint8_t *text, const uint8_t *full, const uint32_t *starts, size_t start, size_t count, batch *batch,
    size_t index) {
    size_t piece = 0, room = BATCH - index;
    for (; piece < count && piece < room; piece++) {
        size_t next = starts[piece + 1], length = next - start;
        if (length > SHORT_MAX || text + start > full) break;
        batch->begins[index + piece] = start;
        prepare_short(words, short_key(text + start, length), batch, index + piece);
        start = next;
    }
    return piece;
}

// Any piece or part.
static __attribute__((noinline)) void prepare_item(
    const qt_caches *caches, const uint8_t *bytes, size_t length, batch *batch, size_t index) {
    if (length <= SHORT_MAX) {
        uint8_t padded[16] = {0};
        memcpy(padded, bytes, length);
        return prepare_short(caches->words, short_key(padded, length), batch, index);
    }
    batch->keys[index] = (word_key){0, ~(uint64_t)0};  // no word's
    batch->hashes[index] = 0;
    if (length > LONG_MAX) return;
    long_key key = key_of_long(bytes, length);
    __builtin_prefetch(long_slot(caches, &key));
}

// Stores the ids of short words from `index` on, up to the first that is not known: its index.
static __attribute__((noinline)) size_t emit_known(qt_slot *words, const batch *batch, size_t index, size_t items, int32_t **out) {
    int32_t *next = *out;
    for (; index < items; index++) {
        word_key key = batch->keys[index];
        const qt_slot *slot = find_short(words, key, batch->hashes[index]);
        if (!holds(slot, key)) break;
        next += store_short(slot, next);
    }
    *out = next;
    return index;
}

static void remember(qt_caches *caches, const item *item, const qt_word *word) {
    if (item->length <= SHORT_MAX && word->count <= SHORT_IDS)
        return insert_short(caches->words, item->key, item->hash, word->ids, word->count);
    if (item->length <= LONG_MAX && word->count <= LONG_IDS) {
        long_key key = item->length <= SHORT_MAX ? key_of_short(item->key) : key_of_long(word->bytes, word->length);
        return insert_long(caches, &key, word->ids, word->count);
    }
    insert_span(caches, word->bytes, word->length, span_hash(word->bytes, word->length), word->ids, word->count);
}

// Stores the ids of a longer word or a span; 0 when it was not met before.
QT_INLINE size_t find_rest(const qt_caches *caches, const uint8_t *text, const item *item, int32_t *out) {
    const uint8_t *bytes = text + item->start;
    if (item->length <= LONG_MAX) {
        if (item->length <= SHORT_IDS) return 0;
        long_key key = item->length <= SHORT_MAX ? key_of_short(item->key) : key_of_long(bytes, item->length);
        size_t known = find_long(caches, &key, out);
        if (known || item->length <= LONG_IDS) return known;
    }
    return find_span(caches, bytes, item->length, span_hash(bytes, item->length), out);
}

// Puts the new words among the items into the caches.
static __attribute__((noinline)) void learn(
    const qt_tables *tables, qt_caches *caches, const uint8_t *text, const batch *batch, size_t from, size_t count) {
    enum { GROUP = 32 };
    qt_slot *words = caches->words;
    uint8_t missing[BATCH];
    size_t missing_count = 0;
    for (size_t index = from; index < count; index++) {
        uint64_t hash = batch->hashes[index];
        int is_known = holds(find_short(words, batch->keys[index], hash), batch->keys[index]);
        missing[missing_count] = (uint8_t)index;
        missing_count += !is_known;
        __builtin_prefetch(__builtin_unpredictable(is_known) ? (const void *)batch : neighbour_of(words, hash));
        __builtin_prefetch(__builtin_unpredictable(is_known) ? (const void *)batch : vocabulary_slot(tables, hash));
    }
    size_t rest = 0;
    for (size_t place = 0; place < missing_count; place++) {
        item item = item_of(batch, missing[place]);
        if (item.length <= SHORT_MAX) {
            if (find_nearby(words, item.key, item.hash)) continue;
            const qt_slot *slot = find_vocabulary(tables, item.key, item.hash);
            if (slot) {
                insert_short(words, item.key, item.hash, (const int32_t *)slot->ids, 1);
                continue;
            }
            long_key key = key_of_short(item.key);
            __builtin_prefetch(long_slot(caches, &key));
        }
        missing[rest++] = missing[place];
    }
    qt_word new[GROUP];
    item items[GROUP];
    int32_t ids[GROUP][QT_WORD_MAX];
    size_t waiting = 0;
    for (size_t place = 0; place < rest; place++) {
        items[waiting] = item_of(batch, missing[place]);
        const item *item = &items[waiting];
        if (!find_rest(caches, text, item, ids[waiting])) {
            new[waiting] = (qt_word){text + item->start, item->length, ids[waiting], 0};
            waiting++;
        }
        if (waiting < GROUP && place + 1 < rest) continue;
        qt_merge_words(&tables->merges, new, waiting);
        for (size_t index = 0; index < waiting; index++) remember(caches, &items[index], &new[index]);
        waiting = 0;
    }
}

// An item that no cache could keep until its turn. The result may be no id at all, for bytes that have none.
static __attribute__((noinline)) size_t encode_alone(
    const qt_tables *tables, qt_caches *caches, const uint8_t *text, const item *item, int32_t *out) {
    if (item->length <= SHORT_MAX) {
        const qt_slot *slot = find_vocabulary(tables, item->key, item->hash);
        if (slot) return store_short(slot, out);
    }
    qt_word word = {text + item->start, item->length, out, 0};
    qt_merge_words(&tables->merges, &word, 1);
    remember(caches, item, &word);
    return word.count;
}

// Where text can be cut because no token reaches across the boundary in the middle of the four bytes.
QT_INLINE int may_join(const uint64_t *joins, const uint8_t *bytes) {
    uint32_t window;
    memcpy(&window, bytes, 4);
    uint32_t place = window * 0x9E3779B1 >> 13;
    return joins[place >> 6] >> (place & 63) & 1;
}

// End of the part of a piece that begins at `start`: at the first place that no token reaches across.
QT_INLINE size_t end_of_part(const uint64_t *joins, const uint8_t *text, size_t start, size_t end) {
    size_t place = start + 2;
    while (place + 1 < end) {
        uint8_t byte = text[place];
        if (byte < 0xC0) {
            place++;
            continue;
        }
        if (text[place - 1] >= 0x80 && !may_join(joins, text + place - 2)) return place;
        place += byte >= 0xE0 ? 3 : 2;  // within the character nothing begins
    }
    return end;
}

size_t qt_encode(
    const qt_tables *tables, qt_caches *caches, const uint8_t *text, const uint8_t *limit, const uint32_t *starts, size_t count,
    size_t end, qt_progress *progress, int32_t *out) {
    batch batch;
    int32_t *next = out;
    size_t piece = progress->piece, start = progress->start + progress->stuck;
    if (progress->stuck && start == (piece + 1 < count ? starts[piece + 1] : end)) piece++;
    while (piece < count) {
        size_t items = 0, stuck = 0;
        while (items < BATCH && piece < count) {
            size_t done = prepare_pieces(caches->words, text, limit - 16, starts + piece, start, count - 1 - piece, &batch, items);
            items += done;
            piece += done;
            if (done) start = starts[piece];
            if (items == BATCH) break;
            // The last piece, a long one, or one near the end of memory.
            size_t piece_end = piece + 1 < count ? starts[piece + 1] : end, item_end = piece_end;
            if (piece_end - start > SHORT_MAX && tables->joins) item_end = end_of_part(tables->joins, text, start, piece_end);
            if (item_end - start > tables->longest) {
                stuck = item_end - start;
                break;
            }
            batch.begins[items] = start;
            prepare_item(caches, text + start, item_end - start, &batch, items++);
            piece += item_end == piece_end;
            start = item_end;
        }
        batch.begins[items] = start;
        int has_learned = 0;
        for (size_t index = 0; (index = emit_known(caches->words, &batch, index, items, &next)) < items; index++) {
            item item = item_of(&batch, index);
            const qt_slot *slot = fetch_nearby(caches->words, item.key, item.hash);
            size_t known = slot ? store_short(slot, next) : find_rest(caches, text, &item, next);
            if (!slot && !known && !has_learned) {
                learn(tables, caches, text, &batch, index, items);
                has_learned = 1;
                slot = fetch_nearby(caches->words, item.key, item.hash);
                known = slot ? store_short(slot, next) : find_rest(caches, text, &item, next);
            }
            next += slot || known ? known : encode_alone(tables, caches, text, &item, next);
        }
        if (stuck) {
            *progress = (qt_progress){piece, start, stuck};
            return (size_t)(next - out);
        }
    }
    *progress = (qt_progress){piece, start, 0};
    return (size_t)(next - out);
}
