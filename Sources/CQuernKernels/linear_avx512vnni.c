// The int8 x int16 and int8 x int8 tile products with AVX-512 VNNI.
//
// One register holds a whole chunk (16 rows x 4 columns); vpdpwssd multiplies pairs and accumulates in one instruction.
// The integers are the same as with AVX2, so the results are the same bits.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ops.h"

#pragma clang fp contract(off)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)

enum { TILE_TOKENS = 8, PREFETCH_BYTES = 2048 };

// Prefetch pays once a pass computes longer than it loads (from four tokens); below, these processors follow the stream by
// themselves and asking costs a fifth of a single thread's bandwidth.
static inline __attribute__((always_inline)) void tile(const int8_t *values, const uint16_t *scales, const int16_t *x,
                                                       const float *x_scales, int64_t k, int32_t group, const int tokens,
                                                       float *sums) {
    int64_t groups = k / group;
    __m512 sum[TILE_TOKENS];
    for (int t = 0; t < tokens; t++) sum[t] = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; g++) {
        __m512i even_sum[TILE_TOKENS], odd_sum[TILE_TOKENS];  // two chains: vpdpwssd has a latency of four
        for (int t = 0; t < tokens; t++) even_sum[t] = odd_sum[t] = _mm512_setzero_si512();
        for (int32_t c = 0; c < group; c += 4) {
            if (tokens >= 4) _mm_prefetch((const char *)values + PREFETCH_BYTES, _MM_HINT_T0);
            __m512i chunk = _mm512_loadu_si512(values);
            __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(chunk, 8), 8), odd = _mm512_srai_epi16(chunk, 8);
            for (int t = 0; t < tokens; t++) {
                const int32_t *pairs = (const int32_t *)(x + t * k + g * group + c);
                even_sum[t] = _mm512_dpwssd_epi32(even_sum[t], even, _mm512_set1_epi32(pairs[0]));
                odd_sum[t] = _mm512_dpwssd_epi32(odd_sum[t], odd, _mm512_set1_epi32(pairs[1]));
            }
            values += 64;
        }
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(scales + g * QK_TILE_ROWS)));
        for (int t = 0; t < tokens; t++) {
            __m512i exact = _mm512_add_epi32(even_sum[t], odd_sum[t]);
            __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(x_scales[t * groups + g]));
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), product, sum[t]);
        }
    }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(sums + t * QK_TILE_ROWS, sum[t]);
}

static void q8_tile(const int8_t *values, const uint16_t *scales, const int16_t *x, const float *x_scales, int64_t k,
                    int32_t group, int32_t tokens, float *sums) {
    switch (tokens) {
        case 1: tile(values, scales, x, x_scales, k, group, 1, sums); break;
        case 2: tile(values, scales, x, x_scales, k, group, 2, sums); break;
        case 3: tile(values, scales, x, x_scales, k, group, 3, sums); break;
        case 4: tile(values, scales, x, x_scales, k, group, 4, sums); break;
        case 5: tile(values, scales, x, x_scales, k, group, 5, sums); break;
        case 6: tile(values, scales, x, x_scales, k, group, 6, sums); break;
        case 7: tile(values, scales, x, x_scales, k, group, 7, sums); break;
        default: tile(values, scales, x, x_scales, k, group, TILE_TOKENS, sums); break;
    }
}

// vpdpbusd takes unsigned times signed bytes, four products at a time: the weights enter 128 higher, and the sums start at
// -128 times the activations' sum, so that the result is exact.
static inline __attribute__((always_inline)) void tile_bytes(const int8_t *values, const uint16_t *scales, const int8_t *x,
                                                             const float *x_scales, const int32_t *x_offsets, int64_t k,
                                                             int32_t group, const int tokens, float *sums) {
    int64_t groups = k / group;
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    __m512 sum[TILE_TOKENS];
    for (int t = 0; t < tokens; t++) sum[t] = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; g++) {
        __m512i exact[TILE_TOKENS];
        for (int t = 0; t < tokens; t++) exact[t] = _mm512_set1_epi32(x_offsets[t * groups + g]);
        for (int32_t c = 0; c < group; c += 4) {
            if (tokens >= 4) _mm_prefetch((const char *)values + PREFETCH_BYTES, _MM_HINT_T0);
            __m512i chunk = _mm512_xor_si512(_mm512_loadu_si512(values), flip);
            for (int t = 0; t < tokens; t++)
                exact[t] = _mm512_dpbusd_epi32(exact[t], chunk, _mm512_set1_epi32(*(const int32_t *)(x + t * k + g * group + c)));
            values += 64;
        }
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(scales + g * QK_TILE_ROWS)));
        for (int t = 0; t < tokens; t++) {
            __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(x_scales[t * groups + g]));
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact[t]), product, sum[t]);
        }
    }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(sums + t * QK_TILE_ROWS, sum[t]);
}

static void q8_tile_bytes(const int8_t *values, const uint16_t *scales, const int8_t *x, const float *x_scales,
                          const int32_t *x_offsets, int64_t k, int32_t group, int32_t tokens, float *sums) {
    switch (tokens) {
        case 1: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 1, sums); break;
        case 2: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 2, sums); break;
        case 3: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 3, sums); break;
        case 4: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 4, sums); break;
        case 5: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 5, sums); break;
        case 6: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 6, sums); break;
        case 7: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, 7, sums); break;
        default: tile_bytes(values, scales, x, x_scales, x_offsets, k, group, TILE_TOKENS, sums); break;
    }
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
    .tile_tokens = TILE_TOKENS, .q8_tile = q8_tile, .q8_tile_bytes = q8_tile_bytes, .multiply_wall = multiply_wall};
#endif
