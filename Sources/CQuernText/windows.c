// Cutting in windows of 64 bytes, as masks of one bit per byte: the qwen2 and qwen35 patterns.
//
// A window begins where a piece begins, and what precedes a piece never matters to it, so windows carry nothing over. From the
// classes of all bytes in a window, bit algebra finds where every piece begins that the window can tell; the last of those begins
// the next window. A character of several bytes has its class in the bits of all of them.
//
// Written once over vectors of 64 bytes, which the compiler splits as the registers of each instruction set allow.
#include "scan.h"

#include <string.h>

#include "wide.h"

// Start of the run of `bits` that ends before `end`.
QT_INLINE unsigned run_start(uint64_t bits, unsigned end) {
    uint64_t below = ~bits & (end < 64 ? ((uint64_t)1 << end) - 1 : ~(uint64_t)0);
    return below ? 64 - (unsigned)__builtin_clzll(below) : 0;
}

// The first bytes of the characters whose last bytes are `ends`.
QT_INLINE uint64_t leads_of(uint64_t ends, uint64_t inner) {
    uint64_t leads = 0;
    for (; ends; ends &= ends - 1) leads |= (uint64_t)1 << (run_start(inner, (unsigned)__builtin_ctzll(ends)) - 1);
    return leads;
}

// Where runs of `bits` that begin at one of `starts` have ended; a start outside `bits` is its own end.
QT_INLINE uint64_t ends_of(uint64_t bits, uint64_t starts) { return (bits + starts) & ~bits; }

// Appends base + the place of every bit, in fours: the caller has room for 64. The barrier keeps the compiler from counting zeros
// in vectors, which takes several times as long.
QT_INLINE size_t write_places(uint64_t bits, size_t base, uint32_t *out, size_t count) {
    size_t total = (size_t)__builtin_popcountll(bits);
    uint32_t *next = out + count;
    for (size_t done = 0; done < total; done += 4)
        for (int k = 0; k < 4; k++) {
            *next++ = (uint32_t)base + (bits ? (uint32_t)__builtin_ctzll(bits) : 0);
            bits &= bits - 1;
            __asm__("" : "+r"(bits));
        }
    return count + total;
}

// Where pieces begin in a window. `is_last`: the text ends with it.
QT_INLINE uint64_t piece_starts(const uint8_t *text, size_t left, bytes64 b, window w, int is_last) {
    uint64_t known = first_bits(w.size);
    uint64_t letter = w.letter & known, number = w.number & known, space = w.space & known;
    uint64_t other = known & ~(letter | number | space);
    uint64_t blank = bits_of(b == ' ') & known;
    uint64_t newline = (bits_of(b == '\n') | bits_of(b == '\r')) & known;

    // Newlines right behind symbols belong to them.
    uint64_t absorbed = newline & ~(newline + (newline & other << 1));
    uint64_t gap = space & ~absorbed, soft = gap & ~newline;
    // A run of symbols takes the blank before it.
    uint64_t symbols = other & ~(other << 1) & ~(blank << 1);
    // A lone symbol before letters is their prefix, as is white space that is not a newline.
    uint64_t after_symbol = ends_of(other & w.inner, symbols << 1);
    uint64_t letters = letter & ~(letter << 1 | soft << 1 | after_symbol);
    // White space behind the last newline of a run is a piece, or two: its last character goes to what follows.
    uint64_t after_newline = soft & (newline & gap) << 1;
    uint64_t last = soft & ~(space >> 1) & known >> 1;
    if (after_newline) {
        uint64_t early = ends_of(soft, after_newline) & newline;
        for (; early; early &= early - 1) after_newline &= ~((uint64_t)1 << run_start(soft, (unsigned)__builtin_ctzll(early)));
        // What follows a run at the window's end is not known yet.
        if (!is_last && soft >> (w.size - 1) & 1) after_newline &= first_bits(run_start(soft, w.size));
    }
    if (last & w.inner) last = (last & ~w.inner) | leads_of(last & w.inner, w.inner);
    uint64_t starts = symbols | letters | (number & ~w.inner) | (gap & ~(gap << 1)) | after_newline | last;

    for (uint64_t quotes = bits_of(b == '\'') & symbols; quotes; quotes &= quotes - 1) {
        size_t at = (size_t)__builtin_ctzll(quotes), length = qt_contraction(text, at, left, 1);
        if (length && at + length < 64) starts |= (uint64_t)1 << (at + length);
    }
    return (starts & known) | 1;
}

QT_INLINE size_t cut_windows(const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity) {
    size_t base = *position, count = 0;
    while (base < scan->end && base < UINT32_MAX / 2 && count + 64 <= capacity) {
        const uint8_t *text = scan->text + base;
        size_t left = scan->end - base;
        bytes64 b = {0};
        if (base + 64 <= scan->limit) {
            memcpy(&b, text, 64);
        } else {
            memcpy(&b, text, left < 64 ? left : 64);
        }
        unsigned size = left < 64 ? (unsigned)left : 64;
        window w = classify(scan, base, b, size);
        if (w.size == 0) break;
        int is_last = left <= 64 && w.size == size;
        uint64_t found = piece_starts(text, left, b, w, is_last);
        if (is_last) {
            count = write_places(found, base, starts, count);
            base = scan->end;
            break;
        }
        unsigned next = 63 - (unsigned)__builtin_clzll(found);
        if (next == 0) break;
        count = write_places(found & first_bits(next), base, starts, count);
        base += next;
    }
    *position = base;
    return count;
}

struct qt_windows {
    const char *name;
    size_t (*cut)(const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity);
};

// No windows at all: the specification alone.
static size_t cut_none(const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity) {
    (void)scan, (void)position, (void)starts, (void)capacity;
    return 0;
}

static size_t cut_portable(const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity) {
    return cut_windows(scan, position, starts, capacity);
}

static const qt_windows scalar = {"scalar", cut_none}, portable = {"portable", cut_portable};

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) static size_t cut_avx2(
    const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity) {
    return cut_windows(scan, position, starts, capacity);
}

__attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,lzcnt,popcnt"))) static size_t cut_avx512(
    const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity) {
    return cut_windows(scan, position, starts, capacity);
}

static const qt_windows avx2 = {"avx2", cut_avx2}, avx512 = {"avx512", cut_avx512};
#endif

// Slowest first.
static const qt_windows *const kinds[] = {
    &scalar, &portable,
#if defined(__x86_64__)
    &avx2, &avx512,
#endif
};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

static int is_supported(const qt_windows *kind) {
#if defined(__x86_64__)
    int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt");
    if (kind == &avx2) return has_avx2;
    if (kind == &avx512) return has_avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return kind == &scalar || kind == &portable;
}

const qt_windows *qt_windows_resolve(const char *requested) {
    for (int i = KIND_COUNT - 1; i >= 0; i--)
        if ((!requested || strcmp(requested, kinds[i]->name) == 0) && is_supported(kinds[i])) return kinds[i];
    return NULL;
}

const char *qt_windows_supported(int i) {
    for (int k = 0; k < KIND_COUNT; k++)
        if (is_supported(kinds[k]) && i-- == 0) return kinds[k]->name;
    return NULL;
}

size_t qt_cut(const qt_windows *windows, const qt_scan *scan, size_t *position, uint32_t *starts, size_t capacity) {
    qt_scan rest = *scan;
    rest.text += *position;
    rest.end -= *position;
    rest.limit -= *position;
    int has_windows = scan->family == QT_QWEN2 || scan->family == QT_QWEN35;
    size_t count = 0, place = 0;
    // Places have 32 bits; a piece may be longer, and then nothing follows it here.
    while (place < rest.end && place < UINT32_MAX / 2 && count + 64 <= capacity) {
        if (has_windows) {
            count += windows->cut(&rest, &place, starts + count, capacity - count);
            if (place >= rest.end || count + 64 > capacity) break;
        }
        // One piece that windows cannot tell: a long one, or one near a suspect character.
        uint8_t seen = 0;
        size_t end = qt_next_piece(&rest, place, &seen);
        if (scan->stops_at_suspects && seen & QT_SUSPECT) break;
        starts[count++] = (uint32_t)place;
        place = end;
    }
    *position += place;
    return count;
}
