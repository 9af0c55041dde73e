// The int8 x int16 tile product with AVX-512 VNNI, and its table.
//
// One register holds a whole chunk (16 rows x 4 columns); vpdpwssd multiplies pairs and accumulates in one instruction.
// The integers are the same as with AVX2, so the results are the same bits.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tiles.h"

#pragma clang fp contract(off)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)

enum { PREFETCH_BYTES = 1024 };

static inline __attribute__((always_inline)) void tile(const int8_t *values, const uint16_t *scales, const int16_t *x,
                                                       const float *x_scales, int64_t k, int32_t group, const int tokens,
                                                       float *sums) {
    int64_t groups = k / group;
    __m512 sum[QK_TILE_TOKENS];
    for (int t = 0; t < tokens; t++) sum[t] = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; g++) {
        __m512i even_sum[QK_TILE_TOKENS], odd_sum[QK_TILE_TOKENS];  // two chains: vpdpwssd has a latency of four
        for (int t = 0; t < tokens; t++) even_sum[t] = odd_sum[t] = _mm512_setzero_si512();
        for (int32_t c = 0; c < group; c += 4) {
            _mm_prefetch((const char *)values + PREFETCH_BYTES, _MM_HINT_T0);
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
        default: tile(values, scales, x, x_scales, k, group, 4, sums); break;
    }
}

#pragma clang attribute pop

const qk_ops qk_ops_avx512vnni = {
    .name = "avx512vnni",
    .q8_tile = q8_tile,
    .quantize_row = qk_quantize_row_avx2,
    .rmsnorm_row = qk_rmsnorm_row_avx2,
    .rope_row = qk_rope_row_avx2,
    .swiglu_row = qk_swiglu_row_avx2,
    .add = qk_add_avx2,
    .argmax = qk_argmax_avx2,
    .read_sum = qk_read_sum_avx2,
    .store_half = qk_store_half_avx2,
    .attend = qk_attend_avx2,
};
#endif
