// The int8 x int16 and int8 x int8 tile products with AVX-512 VNNI.
//
// One register holds a whole chunk (16 rows x 4 columns); vpdpwssd multiplies pairs and accumulates in one instruction.
// The integers are the same as with AVX2, so the results are the same bits.
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang fp contract(off)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)
#include "linear_zmm.h"

enum { TILE_TOKENS = 8 };

// Sign-extended even and odd columns of the chunks at values (packing: qk_q8_matrix).
static inline __attribute__((always_inline)) void split(const int8_t *values, const int bits, __m512i *even, __m512i *odd) {
    __m512i first = _mm512_loadu_si512(values);
    if (bits == 8) {
        even[0] = _mm512_srai_epi16(_mm512_slli_epi16(first, 8), 8);
        odd[0] = _mm512_srai_epi16(first, 8);
    } else if (bits == 4) {
        even[0] = _mm512_srai_epi16(_mm512_slli_epi16(first, 12), 12);
        odd[0] = _mm512_srai_epi16(_mm512_slli_epi16(first, 4), 12);
        even[1] = _mm512_srai_epi16(_mm512_slli_epi16(first, 8), 12);
        odd[1] = _mm512_srai_epi16(first, 12);
    } else {
        // The six bits meet at the top of each lane; the arithmetic shift drops what is below them.
        const __m512i top = _mm512_set1_epi16((short)0xC000);
        enum { SELECT = 0xCA };  // top ? a : b, bit by bit
        __m512i second = _mm512_loadu_si512(values + 64), high = _mm512_loadu_si512(values + 128);
#define SIX(high_bits, low_bits) _mm512_srai_epi16(_mm512_ternarylogic_epi64(top, high_bits, low_bits, SELECT), 10)
        even[0] = SIX(_mm512_slli_epi16(high, 14), _mm512_slli_epi16(first, 10));
        odd[0] = SIX(_mm512_slli_epi16(high, 6), _mm512_slli_epi16(first, 2));
        even[1] = SIX(_mm512_slli_epi16(high, 12), _mm512_slli_epi16(first, 6));
        odd[1] = SIX(_mm512_slli_epi16(high, 4), _mm512_srli_epi16(first, 2));
        even[2] = SIX(_mm512_slli_epi16(high, 10), _mm512_slli_epi16(second, 10));
        odd[2] = SIX(_mm512_slli_epi16(high, 2), _mm512_slli_epi16(second, 2));
        even[3] = SIX(_mm512_slli_epi16(high, 8), _mm512_slli_epi16(second, 6));
        odd[3] = SIX(high, _mm512_srli_epi16(second, 2));
#undef SIX
    }
}

static inline __attribute__((always_inline)) void tile(const qk_panel *w, const int16_t *x, const float *x_scales, const int bits,
                                                       const int tokens, float *sums) {
    const int8_t *values = w->values, *ahead = values + QK_ASK_BYTES;
    const int64_t leaving = qk_last_asking_group(w);
    const qk_asking asking = w->asking;
    const int32_t group = w->group;
    __m512 sum[TILE_TOKENS];
    for (int t = 0; t < tokens; t++) sum[t] = _mm512_loadu_ps(sums + t * QK_TILE_ROWS);
    for (int64_t g = 0; g < w->groups; g++) {
        if (g == leaving) ahead = w->next;
        __m512i even_sum[TILE_TOKENS], odd_sum[TILE_TOKENS];  // two chains: vpdpwssd has a latency of four
        for (int t = 0; t < tokens; t++) even_sum[t] = odd_sum[t] = _mm512_setzero_si512();
        for (int32_t c = 0; c < group; c += 4 * chunks_of(bits)) {
            __m512i even[MOST_CHUNKS], odd[MOST_CHUNKS];
            for (int i = 0; i < bits * chunks_of(bits); i += 8) qk_ask(ahead + i * 8, asking);
            split(values, bits, even, odd);
            for (int i = 0; i < chunks_of(bits); i++) {
                for (int t = 0; t < tokens; t++) {
                    const int32_t *pairs = (const int32_t *)(x + t * w->x_stride + g * group + c + i * 4);
                    even_sum[t] = _mm512_dpwssd_epi32(even_sum[t], even[i], _mm512_set1_epi32(pairs[0]));
                    odd_sum[t] = _mm512_dpwssd_epi32(odd_sum[t], odd[i], _mm512_set1_epi32(pairs[1]));
                }
            }
            values += 8 * bits * chunks_of(bits);
            ahead += 8 * bits * chunks_of(bits);
        }
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(w->scales + g * QK_TILE_ROWS)));
        for (int t = 0; t < tokens; t++) {
            __m512i exact = _mm512_add_epi32(even_sum[t], odd_sum[t]);
            __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(x_scales[t * w->scale_stride + g]));
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), product, sum[t]);
        }
    }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(sums + t * QK_TILE_ROWS, sum[t]);
}

// vpdpbusd takes unsigned times signed bytes, four products at a time: the weights enter 128 higher, and the sums start at
// -128 times the activations' sum, so that the result is exact.
static inline __attribute__((always_inline)) void tile_bytes(const qk_panel *w, const int8_t *x, const float *x_scales,
                                                             const int32_t *x_offsets, const int bits, const int tokens,
                                                             float *sums) {
    const int8_t *values = w->values, *ahead = values + QK_ASK_BYTES;
    const int64_t leaving = qk_last_asking_group(w);
    const qk_asking asking = w->asking;
    const int32_t group = w->group;
    __m512 sum[TILE_TOKENS];
    for (int t = 0; t < tokens; t++) sum[t] = _mm512_loadu_ps(sums + t * QK_TILE_ROWS);
    for (int64_t g = 0; g < w->groups; g++) {
        if (g == leaving) ahead = w->next;
        __m512i exact[TILE_TOKENS];
        for (int t = 0; t < tokens; t++) exact[t] = _mm512_set1_epi32(x_offsets[t * w->scale_stride + g]);
        for (int32_t c = 0; c < group; c += 4 * chunks_of(bits)) {
            __m512i chunk[MOST_CHUNKS];
            for (int i = 0; i < bits * chunks_of(bits); i += 8) qk_ask(ahead + i * 8, asking);
            unsigned_bytes(values, bits, chunk);
            for (int i = 0; i < chunks_of(bits); i++) {
                for (int t = 0; t < tokens; t++) {
                    const int32_t *four = (const int32_t *)(x + t * w->x_stride + g * group + c + i * 4);
                    exact[t] = _mm512_dpbusd_epi32(exact[t], chunk[i], _mm512_set1_epi32(*four));
                }
            }
            values += 8 * bits * chunks_of(bits);
            ahead += 8 * bits * chunks_of(bits);
        }
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(w->scales + g * QK_TILE_ROWS)));
        for (int t = 0; t < tokens; t++) {
            __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(x_scales[t * w->scale_stride + g]));
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact[t]), product, sum[t]);
        }
    }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(sums + t * QK_TILE_ROWS, sum[t]);
}

// Bits and tokens are constants in each call: a run-time bound would spill the accumulators.
#define QK_FOR_TOKENS(call, tokens) \
    switch (tokens) {               \
        case 1: call(1); break;     \
        case 2: call(2); break;     \
        case 3: call(3); break;     \
        case 4: call(4); break;     \
        case 5: call(5); break;     \
        case 6: call(6); break;     \
        case 7: call(7); break;     \
        default: call(8); break;    \
    }

static void q8_tile(const qk_panel *w, const int16_t *x, const float *x_scales, int32_t tokens, float *sums) {
#define EIGHT_BITS(n) tile(w, x, x_scales, 8, n, sums)
#define SIX_BITS(n) tile(w, x, x_scales, 6, n, sums)
#define FOUR_BITS(n) tile(w, x, x_scales, 4, n, sums)
    if (w->bits == 8)
        QK_FOR_TOKENS(EIGHT_BITS, tokens)
    else if (w->bits == 6)
        QK_FOR_TOKENS(SIX_BITS, tokens)
    else
        QK_FOR_TOKENS(FOUR_BITS, tokens)
}

static void q8_tile_bytes(const qk_panel *w, const int8_t *x, const float *x_scales, const int32_t *x_offsets, int32_t tokens,
                          float *sums) {
#define EIGHT_BITS_BYTES(n) tile_bytes(w, x, x_scales, x_offsets, 8, n, sums)
#define SIX_BITS_BYTES(n) tile_bytes(w, x, x_scales, x_offsets, 6, n, sums)
#define FOUR_BITS_BYTES(n) tile_bytes(w, x, x_scales, x_offsets, 4, n, sums)
    if (w->bits == 8)
        QK_FOR_TOKENS(EIGHT_BITS_BYTES, tokens)
    else if (w->bits == 6)
        QK_FOR_TOKENS(SIX_BITS_BYTES, tokens)
    else
        QK_FOR_TOKENS(FOUR_BITS_BYTES, tokens)
}

static int64_t multiply_wall(int64_t rounds) {
    __m512i a = _mm512_set1_epi16(3), b = _mm512_set1_epi16(5), sum[12];
    for (int i = 0; i < 12; i++) sum[i] = _mm512_setzero_si512();
    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 12; i++) {
            sum[i] = _mm512_dpwssd_epi32(sum[i], a, b);
            __asm__ volatile("" : "+v"(a), "+v"(sum[i]));
        }
    }
    for (int i = 1; i < 12; i++) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    return rounds * 12 * 32 + (_mm512_reduce_add_epi32(sum[0]) == 7);
}

#pragma clang attribute pop

const qk_linear_ops qk_linear_avx512vnni = {
    .tile_tokens = TILE_TOKENS, .packed_tokens = QK_BLOCK_TOKENS, .q8_tile = q8_tile, .q8_tile_bytes = q8_tile_bytes, .multiply_wall = multiply_wall};
#endif
