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

// Integers of a unit: the high plane's or the bytes' first, the low plane's second.
typedef struct {
    _Alignas(64) int32_t sums[2][ROWS][QK_TILE_ROWS];
} integers;

// Sixteen tokens times one group.
typedef struct {
    const int8_t *weights;
    const int8_t *x;        // the first token's columns
    const uint16_t *scales;
    const float *x_scales;  // the first token's
    int64_t group;
} unit;

// What is the same for all units of a panel, by value: the matrix instructions may write anywhere, as far as the compiler knows.
typedef struct {
    int64_t last;          // group
    int64_t group;         // bytes of a row of a plane
    int64_t x_stride;      // bytes between two tokens
    int64_t scale_stride;  // floats between two tokens
} shape;

// The unit after `u`: the next group, or the first one of the next sixteen tokens.
static inline __attribute__((always_inline)) unit after(const shape s, unit u, const int has_planes) {
    const int64_t width = has_planes ? 2 : 1;
    if (u.group < s.last)
        return (unit){u.weights + s.group * QK_TILE_ROWS, u.x + s.group * width, u.scales + QK_TILE_ROWS, u.x_scales + 1, u.group + 1};
    return (unit){u.weights - s.last * s.group * QK_TILE_ROWS, u.x + ROWS * s.x_stride - s.last * s.group * width,
                  u.scales - s.last * QK_TILE_ROWS, u.x_scales + ROWS * s.scale_stride - s.last, 0};
}

// Every third token's scale: the two between are an addressing mode away.
#define THIRDS(from) {from, from + 3 * s.scale_stride, from + 6 * s.scale_stride, from + 9 * s.scale_stride, \
                      from + 12 * s.scale_stride, from + 15 * s.scale_stride}

static inline __attribute__((always_inline)) void add_row(const integers *from, __m512 scale, const float *const *thirds, int64_t stride,
                                                          const int has_planes, __m512 *sum, const int t) {
    __m512i exact = _mm512_load_si512(from->sums[0][t]);
    if (has_planes) exact = _mm512_add_epi32(_mm512_slli_epi32(exact, 8), _mm512_load_si512(from->sums[1][t]));
    __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(thirds[t / 3][t % 3 * stride]));
    sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), product, sum[t]);
}

// Rows FIRST to LAST of the unit that is added; unrolled, so that the additions stand between the matrix instructions, which run
// beside them, and the sums stay in registers.
#define ADD_ROWS(first, last)                                             \
    _Pragma("clang loop unroll(full)") for (int t = first; t < last; t++) \
        if (adds) add_row(finished, scale, thirds, s.scale_stride, has_planes, sum, t);

// Starts a unit, stores the integers of the one before (a product's are there some fifty cycles after it starts: stored at once,
// they would hold up what follows) and adds those of the one before that. The numbers of tile registers are part of the instruction.
#define DEFINE_STEP(name, HIGH, LOW, HIGH_BEFORE, LOW_BEFORE)                                                                   \
    static inline __attribute__((always_inline)) void name(const shape s, unit next, integers *stored, const int stores,        \
                                                           unit added, const integers *finished, const int adds, __m512 *sum,   \
                                                           const int has_planes) {                                              \
        const float *const thirds[] = THIRDS(added.x_scales);                                                                   \
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)added.scales));                                \
        _tile_loadd(4, next.weights, 64);                                                                                       \
        _tile_zero(HIGH);                                                                                                       \
        ADD_ROWS(0, 2)                                                                                                          \
        _tile_loadd(6, next.x, s.x_stride);                                                                                     \
        ADD_ROWS(2, 5)                                                                                                          \
        _tile_dpbssd(HIGH, 6, 4);                                                                                               \
        ADD_ROWS(5, 6)                                                                                                          \
        if (stores) _tile_stored(HIGH_BEFORE, stored->sums[0], 64);                                                             \
        ADD_ROWS(6, 8)                                                                                                          \
        if (has_planes) _tile_zero(LOW);                                                                                        \
        ADD_ROWS(8, 10)                                                                                                         \
        if (has_planes) _tile_loadd(7, next.x + s.group, s.x_stride);                                                           \
        ADD_ROWS(10, 13)                                                                                                        \
        if (has_planes) _tile_dpbusd(LOW, 7, 4);                                                                                \
        ADD_ROWS(13, 14)                                                                                                        \
        if (stores && has_planes) _tile_stored(LOW_BEFORE, stored->sums[1], 64);                                                \
        ADD_ROWS(14, 16)                                                                                                        \
    }
DEFINE_STEP(step_even, 0, 1, 2, 3)
DEFINE_STEP(step_odd, 2, 3, 0, 1)

static inline __attribute__((always_inline)) void add_rows(const shape s, unit added, const integers *finished,
                                                           const int has_planes, __m512 *sum) {
    const float *const thirds[] = THIRDS(added.x_scales);
    const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)added.scales));
    const int adds = 1;
    ADD_ROWS(0, ROWS)
}

// Asks for weights as far ahead of a panel's groups as they are read.
typedef struct {
    const int8_t *ahead, *next;
    int64_t groups, leaving;  // still to be asked for; of them, until `next` follows
    int64_t bytes;            // of a group
    qk_asking asking;
} request;

static inline request request_of(const qk_panel *w) {
    return (request){.ahead = w->values + QK_ASK_BYTES, .next = w->next, .groups = w->asking == QK_ASK_NOTHING ? 0 : w->groups,
                     .leaving = qk_last_asking_group(w), .bytes = w->group * QK_TILE_ROWS, .asking = w->asking};
}

static inline __attribute__((always_inline)) void ask(request *r) {
    if (r->groups == 0) return;
    r->groups--;
    if (r->leaving-- == 0) r->ahead = r->next;
    for (int64_t i = 0; i < r->bytes; i += 64) qk_ask(r->ahead + i, r->asking);
    r->ahead += r->bytes;
}

static inline __attribute__((always_inline)) void load_sums(__m512 *sum, const float *from) {
    _Pragma("clang loop unroll(full)") for (int t = 0; t < ROWS; t++) sum[t] = _mm512_loadu_ps(from + t * QK_TILE_ROWS);
}

static inline __attribute__((always_inline)) void store_sums(const __m512 *sum, float *to) {
    _Pragma("clang loop unroll(full)") for (int t = 0; t < ROWS; t++) _mm512_storeu_ps(to + t * QK_TILE_ROWS, sum[t]);
}

// After the unit that was added: sixteen tokens that are complete make room for the next sixteen.
#define TURN(added)                                  \
    if ((added).group == s.last && sums < last_sums) { \
        store_sums(sum, sums);                       \
        sums += ROWS * QK_TILE_ROWS;                 \
        load_sums(sum, sums);                        \
    }

// Units of all tokens one after the other, so that the matrix unit runs dry once, not once for every sixteen tokens.
static inline __attribute__((always_inline)) void multiply(const qk_panel *w, const int8_t *x, const float *x_scales, int32_t tokens,
                                                           float *sums, const int has_planes) {
    const int64_t blocks = (tokens + ROWS - 1) / ROWS, units = w->groups * blocks;
    const shape s = {w->groups - 1, w->group, has_planes ? 2 * w->x_stride : w->x_stride, w->scale_stride};
    request r = request_of(w);
    float *const last_sums = sums + (blocks - 1) * ROWS * QK_TILE_ROWS;
    integers even, odd;
    __m512 sum[ROWS];
    load_sums(sum, sums);
    unit first = {w->values, x, w->scales, x_scales, 0};
    ask(&r);
    step_even(s, first, &odd, 0, first, &even, 0, sum, has_planes);
    unit second = after(s, first, has_planes);
    if (units > 1) {
        ask(&r);
        step_odd(s, second, &even, 1, first, &odd, 0, sum, has_planes);
    }
    int64_t u = 2;
    for (; u + 1 < units; u += 2) {
        const unit third = after(s, second, has_planes), fourth = after(s, third, has_planes);
        ask(&r);
        step_even(s, third, &odd, 1, first, &even, 1, sum, has_planes);
        TURN(first)
        ask(&r);
        step_odd(s, fourth, &even, 1, second, &odd, 1, sum, has_planes);
        TURN(second)
        first = third;
        second = fourth;
    }
    if (u < units) {
        const unit third = after(s, second, has_planes);
        step_even(s, third, &odd, 1, first, &even, 1, sum, has_planes);
        TURN(first)
        first = second;
        second = third;
        add_rows(s, first, &odd, has_planes, sum);
        TURN(first)
        _tile_stored(0, even.sums[0], 64);
        if (has_planes) _tile_stored(1, even.sums[1], 64);
        add_rows(s, second, &even, has_planes, sum);
    } else if (units > 1) {
        add_rows(s, first, &even, has_planes, sum);
        TURN(first)
        _tile_stored(2, odd.sums[0], 64);
        if (has_planes) _tile_stored(3, odd.sums[1], 64);
        add_rows(s, second, &odd, has_planes, sum);
    } else {
        _tile_stored(0, even.sums[0], 64);
        if (has_planes) _tile_stored(1, even.sums[1], 64);
        add_rows(s, first, &even, has_planes, sum);
    }
    store_sums(sum, sums);
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
