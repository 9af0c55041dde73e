// The int8 x int16 and int8 x int8 products with AMX: sixteen tokens by a weight tile by a group in one instruction.
//
// A group of 64 columns of a weight tile lies in memory as the matrix unit wants its second operand. 16-bit activations come as
// two planes of bytes, x = 256 * high + low, which are multiplied one after the other. The integers leave the unit after every
// group, because every group has its scales, and are added as elsewhere: the results are the same bits. Few tokens cost the unit
// as much as sixteen, so they are multiplied with VNNI.
// Invariant: between begin and end the thread's tile registers are configured; nothing else here touches them.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma clang fp contract(off)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,amx-tile,amx-int8"))), apply_to = function)
#include "linear_zmm.h"

enum {
    ROWS = 16,           // of a tile register: tokens of an operand, or its columns in fours
    MOST_TOKENS = 32,    // of a pass: two operands of tokens share the weights
    FEW_TOKENS = 8,      // are faster with VNNI
};

struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes_per_row[16];
    uint8_t rows[16];
};

static void begin(int32_t group) {
    _Alignas(64) struct tile_configuration all = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        int is_weights = i == 4 || i == 5;
        all.bytes_per_row[i] = i < 6 ? 64 : (uint16_t)group;
        all.rows[i] = is_weights ? (uint8_t)(group / 4) : ROWS;
    }
    _tile_loadconfig(&all);
}

static void end(void) { _tile_release(); }

// Integers of one operand of tokens: the high plane's or the bytes' first, the low plane's second.
typedef struct {
    _Alignas(64) int32_t sums[2][ROWS][QK_TILE_ROWS];
} integers;

// One operand of tokens times one group: where it comes from and where its sums go.
typedef struct {
    const int8_t *weights;
    const int8_t *x;        // the first token's columns
    const uint16_t *scales;
    const float *x_scales;  // the first token's
    float *sums;
} unit;

static inline __attribute__((always_inline)) void add_row(const qk_panel *w, unit u, const integers *from, __m512 scale,
                                                          const int has_planes, const int t) {
    __m512i exact = _mm512_load_si512(from->sums[0][t]);
    if (has_planes) exact = _mm512_add_epi32(_mm512_slli_epi32(exact, 8), _mm512_load_si512(from->sums[1][t]));
    __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(u.x_scales[t * w->scale_stride]));
    __m512 sum = _mm512_loadu_ps(u.sums + t * QK_TILE_ROWS);
    _mm512_storeu_ps(u.sums + t * QK_TILE_ROWS, _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), product, sum));
}

// Rows FIRST to LAST of the unit before; unrolled, so that the additions stand between the matrix instructions, which run beside
// them.
#define ADD_ROWS(first, last)                                                                \
    _Pragma("clang loop unroll(full)") for (int t = first; t < last; t++) \
        add_row(w, before, finished, scale, has_planes, t);

// Starts a unit and adds the one before. The numbers of tile registers are part of the instruction.
#define DEFINE_STEP(name, HIGH, LOW)                                                                                     \
    static inline __attribute__((always_inline)) void name(const qk_panel *w, unit next, integers *started, unit before, \
                                                           const integers *finished, const int has_planes,               \
                                                           const int shares_weights) {                                   \
        const int64_t stride = has_planes ? 2 * w->x_stride : w->x_stride;                                               \
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)before.scales));                        \
        _tile_zero(HIGH);                                                                                                \
        if (!shares_weights) _tile_loadd(4, next.weights, 64);                                                           \
        ADD_ROWS(0, 3)                                                                                                   \
        _tile_loadd(6, next.x, stride);                                                                                  \
        ADD_ROWS(3, 6)                                                                                                   \
        _tile_dpbssd(HIGH, 6, 4);                                                                                        \
        if (has_planes) _tile_zero(LOW);                                                                                 \
        ADD_ROWS(6, 9)                                                                                                   \
        if (has_planes) _tile_loadd(7, next.x + w->group, stride);                                                       \
        ADD_ROWS(9, 12)                                                                                                  \
        if (has_planes) _tile_dpbusd(LOW, 7, 4);                                                                         \
        ADD_ROWS(12, 13)                                                                                                 \
        _tile_stored(HIGH, started->sums[0], 64);                                                                        \
        ADD_ROWS(13, 16)                                                                                                 \
        if (has_planes) _tile_stored(LOW, started->sums[1], 64);                                                         \
    }
DEFINE_STEP(step_even, 0, 1)
DEFINE_STEP(step_odd, 2, 3)

static inline unit unit_of(const qk_panel *w, const int8_t *x, const float *x_scales, float *sums, const int has_planes, int64_t group,
                           int64_t token) {
    int64_t width = has_planes ? 2 : 1;
    return (unit){.weights = w->values + group * w->group * QK_TILE_ROWS,
                  .x = x + (token * w->x_stride + group * w->group) * width,
                  .scales = w->scales + group * QK_TILE_ROWS,
                  .x_scales = x_scales + token * w->scale_stride + group,
                  .sums = sums + token * QK_TILE_ROWS};
}

static inline void ask(const qk_panel *w, int64_t group) {
    if (w->asking == QK_ASK_NOTHING) return;
    int64_t bytes = w->group * QK_TILE_ROWS, leaving = qk_last_asking_group(w);
    const int8_t *ahead = group < leaving ? w->values + group * bytes + QK_ASK_BYTES : w->next + (group - leaving) * bytes;
    for (int64_t i = 0; i < bytes; i += 64) qk_ask(ahead + i, w->asking);
}

// Nothing to add yet: the first unit adds zeros to sums that nobody reads.
static inline __attribute__((always_inline)) void multiply(const qk_panel *w, const int8_t *x, const float *x_scales, int32_t tokens,
                                                           float *sums, const int has_planes) {
    integers even, odd;
    _Alignas(64) float nowhere[ROWS * QK_TILE_ROWS] = {0};
    memset(&odd, 0, sizeof odd);
    unit before = unit_of(w, x, x_scales, nowhere, has_planes, 0, 0);
    if (tokens > ROWS) {
        for (int64_t g = 0; g < w->groups; g++) {
            unit first = unit_of(w, x, x_scales, sums, has_planes, g, 0), second = unit_of(w, x, x_scales, sums, has_planes, g, ROWS);
            ask(w, g);
            step_even(w, first, &even, before, &odd, has_planes, 0);
            step_odd(w, second, &odd, first, &even, has_planes, 1);
            before = second;
        }
    } else {
        int64_t g = 0;
        for (; g + 1 < w->groups; g += 2) {
            unit first = unit_of(w, x, x_scales, sums, has_planes, g, 0), second = unit_of(w, x, x_scales, sums, has_planes, g + 1, 0);
            ask(w, g);
            step_even(w, first, &even, before, &odd, has_planes, 0);
            ask(w, g + 1);
            step_odd(w, second, &odd, first, &even, has_planes, 0);
            before = second;
        }
        if (g < w->groups) {
            unit first = unit_of(w, x, x_scales, sums, has_planes, g, 0);
            ask(w, g);
            step_even(w, first, &even, before, &odd, has_planes, 0);
            odd = even;
            before = first;
        }
    }
    const integers *finished = &odd;
    const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)before.scales));
    ADD_ROWS(0, ROWS)
}

// Few tokens with VNNI: high bytes meet the weights as unsigned bytes, 128 higher, and start at -128 times their sum; low bytes
// are unsigned themselves.
static inline __attribute__((always_inline)) void few(const qk_panel *w, const int8_t *x, const float *x_scales,
                                                      const int32_t *x_offsets, const int bits, const int tokens, float *sums) {
    const int8_t *values = w->values, *ahead = values + QK_ASK_BYTES;
    const int64_t leaving = qk_last_asking_group(w);
    const qk_asking asking = w->asking;
    const int32_t group = w->group;
    __m512 sum[FEW_TOKENS];
    for (int t = 0; t < tokens; t++) sum[t] = _mm512_loadu_ps(sums + t * QK_TILE_ROWS);
    for (int64_t g = 0; g < w->groups; g++) {
        if (g == leaving) ahead = w->next;
        __m512i high[FEW_TOKENS], low[FEW_TOKENS];
        for (int t = 0; t < tokens; t++) {
            high[t] = _mm512_set1_epi32(x_offsets[t * w->scale_stride + g]);
            low[t] = _mm512_setzero_si512();
        }
        for (int32_t c = 0; c < group; c += 4 * chunks_of(bits)) {
            __m512i chunk[MOST_CHUNKS];
            for (int i = 0; i < bits * chunks_of(bits); i += 8) qk_ask(ahead + i * 8, asking);
            unsigned_bytes(values, bits, chunk);
            for (int i = 0; i < chunks_of(bits); i++) {
                const __m512i is_signed = _mm512_xor_si512(chunk[i], _mm512_set1_epi8((char)0x80));
                for (int t = 0; t < tokens; t++) {
                    const int8_t *four = x + 2 * (t * w->x_stride + g * group) + c + i * 4;
                    int32_t highs, lows;
                    memcpy(&highs, four, sizeof highs);
                    memcpy(&lows, four + group, sizeof lows);
                    high[t] = _mm512_dpbusd_epi32(high[t], chunk[i], _mm512_set1_epi32(highs));
                    low[t] = _mm512_dpbusd_epi32(low[t], _mm512_set1_epi32(lows), is_signed);
                }
            }
            values += 8 * bits * chunks_of(bits);
            ahead += 8 * bits * chunks_of(bits);
        }
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(w->scales + g * QK_TILE_ROWS)));
        for (int t = 0; t < tokens; t++) {
            __m512i exact = _mm512_add_epi32(_mm512_slli_epi32(high[t], 8), low[t]);
            __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(x_scales[t * w->scale_stride + g]));
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), product, sum[t]);
        }
    }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(sums + t * QK_TILE_ROWS, sum[t]);
}

// Bits and tokens are constants in each call: a run-time bound would spill the accumulators.
#define FOR_FEW(bits)                                                       \
    switch (tokens) {                                                       \
        case 1: few(w, x, x_scales, x_offsets, bits, 1, sums); break;       \
        case 2: few(w, x, x_scales, x_offsets, bits, 2, sums); break;       \
        case 3: few(w, x, x_scales, x_offsets, bits, 3, sums); break;       \
        case 4: few(w, x, x_scales, x_offsets, bits, 4, sums); break;       \
        case 5: few(w, x, x_scales, x_offsets, bits, 5, sums); break;       \
        case 6: few(w, x, x_scales, x_offsets, bits, 6, sums); break;       \
        case 7: few(w, x, x_scales, x_offsets, bits, 7, sums); break;       \
        default: few(w, x, x_scales, x_offsets, bits, FEW_TOKENS, sums);    \
    }

static void q8_tile_planes(const qk_panel *w, const int8_t *x, const float *x_scales, const int32_t *x_offsets, int32_t tokens,
                           float *sums) {
    if (tokens > FEW_TOKENS)
        multiply(w, x, x_scales, tokens, sums, 1);
    else if (w->bits == 8)
        FOR_FEW(8)
    else if (w->bits == 6)
        FOR_FEW(6)
    else
        FOR_FEW(4)
}

static void q8_tile_bytes(const qk_panel *w, const int8_t *x, const float *x_scales, const int32_t *x_offsets, int32_t tokens,
                          float *sums) {
    if (tokens > FEW_TOKENS)
        multiply(w, x, x_scales, tokens, sums, 0);
    else
        qk_linear_avx512vnni.q8_tile_bytes(w, x, x_scales, x_offsets, tokens, sums);
}

// Both planes of sixteen tokens, eight accumulators.
static int64_t multiply_wall(int64_t rounds) {
    _Alignas(64) struct tile_configuration all = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        all.bytes_per_row[i] = 64;
        all.rows[i] = ROWS;
    }
    _tile_loadconfig(&all);
    rounds /= 8;  // one is as long as eight of other instruction sets
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbusd(1, 5, 6);
        _tile_dpbssd(2, 4, 7);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return rounds * 2 * ROWS * QK_TILE_ROWS * 64;
}

#pragma clang attribute pop

const qk_linear_ops qk_linear_amx = {
    .tile_tokens = MOST_TOKENS, .packed_tokens = FEW_TOKENS, .begin = begin, .end = end, .q8_tile_planes = q8_tile_planes,
    .q8_tile_bytes = q8_tile_bytes, .multiply_wall = multiply_wall};
#endif
