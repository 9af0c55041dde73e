// The int8 x int16 tile product with AVX2.
//
// A 64-byte chunk holds 16 rows x 4 columns. Two shifts split its bytes into sign-extended even and odd columns, whose
// pairs meet the activation pairs (x0,x2) and (x1,x3) in vpmaddwd: exact, with 16-bit activations, at the cost of three
// shifts per 32 weights that all tokens of the pass share.
#if defined(__x86_64__)
#include <immintrin.h>

#include "tiles.h"

#pragma clang fp contract(off)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { PREFETCH_BYTES = 1024 };

static inline __attribute__((always_inline)) void tile(const int8_t *values, const uint16_t *scales, const int16_t *x,
                                                       const float *x_scales, int64_t k, int32_t group, const int tokens,
                                                       float *sums) {
    int64_t groups = k / group;
    __m256 sum[QK_TILE_TOKENS][2];
    for (int t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = _mm256_setzero_ps();
    for (int64_t g = 0; g < groups; g++) {
        __m256i exact[QK_TILE_TOKENS][2];
        for (int t = 0; t < tokens; t++) exact[t][0] = exact[t][1] = _mm256_setzero_si256();
        for (int32_t c = 0; c < group; c += 4) {
            _mm_prefetch((const char *)values + PREFETCH_BYTES, _MM_HINT_T0);
            __m256i low = _mm256_loadu_si256((const __m256i *)values);
            __m256i high = _mm256_loadu_si256((const __m256i *)(values + 32));
            __m256i low_even = _mm256_srai_epi16(_mm256_slli_epi16(low, 8), 8), low_odd = _mm256_srai_epi16(low, 8);
            __m256i high_even = _mm256_srai_epi16(_mm256_slli_epi16(high, 8), 8), high_odd = _mm256_srai_epi16(high, 8);
            for (int t = 0; t < tokens; t++) {
                const int32_t *pairs = (const int32_t *)(x + t * k + g * group + c);
                __m256i even = _mm256_set1_epi32(pairs[0]), odd = _mm256_set1_epi32(pairs[1]);
                exact[t][0] = _mm256_add_epi32(exact[t][0], _mm256_madd_epi16(low_even, even));
                exact[t][1] = _mm256_add_epi32(exact[t][1], _mm256_madd_epi16(high_even, even));
                exact[t][0] = _mm256_add_epi32(exact[t][0], _mm256_madd_epi16(low_odd, odd));
                exact[t][1] = _mm256_add_epi32(exact[t][1], _mm256_madd_epi16(high_odd, odd));
            }
            values += 64;
        }
        __m256 scale_low = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(scales + g * QK_TILE_ROWS)));
        __m256 scale_high = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(scales + g * QK_TILE_ROWS + 8)));
        for (int t = 0; t < tokens; t++) {
            __m256 x_scale = _mm256_set1_ps(x_scales[t * groups + g]);
            sum[t][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact[t][0]), _mm256_mul_ps(scale_low, x_scale), sum[t][0]);
            sum[t][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact[t][1]), _mm256_mul_ps(scale_high, x_scale), sum[t][1]);
        }
    }
    for (int t = 0; t < tokens; t++) {
        _mm256_storeu_ps(sums + t * QK_TILE_ROWS, sum[t][0]);
        _mm256_storeu_ps(sums + t * QK_TILE_ROWS + 8, sum[t][1]);
    }
}

// The token count is a constant in each call: a run-time bound would spill the accumulators.
void qk_q8_tile_avx2(const int8_t *values, const uint16_t *scales, const int16_t *x, const float *x_scales, int64_t k,
                     int32_t group, int32_t tokens, float *sums) {
    switch (tokens) {
        case 1: tile(values, scales, x, x_scales, k, group, 1, sums); break;
        case 2: tile(values, scales, x, x_scales, k, group, 2, sums); break;
        case 3: tile(values, scales, x, x_scales, k, group, 3, sums); break;
        default: tile(values, scales, x, x_scales, k, group, 4, sums); break;
    }
}

#pragma clang attribute pop
#endif
