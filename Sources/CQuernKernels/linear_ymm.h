// The int8 x int16 product over 32-byte registers, compiled with and without VNNI.
//
// A 64-byte chunk holds 16 rows x 4 columns. Two shifts split its bytes into sign-extended even and odd columns, whose
// pairs meet the activation pairs (x0,x2) and (x1,x3) in a 16-bit multiply-add: exact, with 16-bit activations, at the cost
// of three shifts per 32 weights, which the tokens of a pass share. (A panel of expanded weights for many tokens is no
// faster: the wall is multiply and add, not shifts.) The includer defines multiply_add and QK_TABLE.
#include <immintrin.h>

#include "ops.h"

#pragma clang fp contract(off)

enum { TILE_TOKENS = 4, PREFETCH_BYTES = 4096 };

// Sign-extended even and odd columns of eight rows of a chunk.
static inline __m256i even_columns(__m256i chunk) { return _mm256_srai_epi16(_mm256_slli_epi16(chunk, 8), 8); }
static inline __m256i odd_columns(__m256i chunk) { return _mm256_srai_epi16(chunk, 8); }

// sum += exact * (scale * x_scale), eight rows.
static inline __m256 flush(__m256 sum, __m256i exact, __m256 scale, __m256 x_scale) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact), _mm256_mul_ps(scale, x_scale), sum);
}

static inline __m256 load_scales(const uint16_t *scales) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)scales)); }

static inline __attribute__((always_inline)) void tile(const int8_t *values, const uint16_t *scales, const int16_t *x,
                                                       const float *x_scales, int64_t k, int32_t group, const int tokens,
                                                       float *sums) {
    int64_t groups = k / group;
    __m256 sum[TILE_TOKENS][2];
    for (int t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = _mm256_setzero_ps();
    for (int64_t g = 0; g < groups; g++) {
        __m256i exact[TILE_TOKENS][2];
        for (int t = 0; t < tokens; t++) exact[t][0] = exact[t][1] = _mm256_setzero_si256();
        for (int32_t c = 0; c < group; c += 4) {
            _mm_prefetch((const char *)values + PREFETCH_BYTES, _MM_HINT_T0);
            __m256i low = _mm256_loadu_si256((const __m256i *)values);
            __m256i high = _mm256_loadu_si256((const __m256i *)(values + 32));
            __m256i low_even = even_columns(low), low_odd = odd_columns(low);
            __m256i high_even = even_columns(high), high_odd = odd_columns(high);
            for (int t = 0; t < tokens; t++) {
                const int32_t *pairs = (const int32_t *)(x + t * k + g * group + c);
                __m256i even = _mm256_set1_epi32(pairs[0]), odd = _mm256_set1_epi32(pairs[1]);
                exact[t][0] = multiply_add(exact[t][0], low_even, even);
                exact[t][1] = multiply_add(exact[t][1], high_even, even);
                exact[t][0] = multiply_add(exact[t][0], low_odd, odd);
                exact[t][1] = multiply_add(exact[t][1], high_odd, odd);
            }
            values += 64;
        }
        __m256 low = load_scales(scales + g * QK_TILE_ROWS), high = load_scales(scales + g * QK_TILE_ROWS + 8);
        for (int t = 0; t < tokens; t++) {
            __m256 x_scale = _mm256_set1_ps(x_scales[t * groups + g]);
            sum[t][0] = flush(sum[t][0], exact[t][0], low, x_scale);
            sum[t][1] = flush(sum[t][1], exact[t][1], high, x_scale);
        }
    }
    for (int t = 0; t < tokens; t++) {
        _mm256_storeu_ps(sums + t * QK_TILE_ROWS, sum[t][0]);
        _mm256_storeu_ps(sums + t * QK_TILE_ROWS + 8, sum[t][1]);
    }
}

// The token count is a constant in each call: a run-time bound would spill the accumulators.
static void q8_tile(const int8_t *values, const uint16_t *scales, const int16_t *x, const float *x_scales, int64_t k,
                    int32_t group, int32_t tokens, float *sums) {
    switch (tokens) {
        case 1: tile(values, scales, x, x_scales, k, group, 1, sums); break;
        case 2: tile(values, scales, x, x_scales, k, group, 2, sums); break;
        case 3: tile(values, scales, x, x_scales, k, group, 3, sums); break;
        default: tile(values, scales, x, x_scales, k, group, TILE_TOKENS, sums); break;
    }
}

// Twelve independent accumulators hide the latency of multiply and add.
static int64_t multiply_wall(int64_t rounds) {
    __m256i a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(5), sum[12];
    for (int i = 0; i < 12; i++) sum[i] = _mm256_setzero_si256();
    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 12; i++) {
            sum[i] = multiply_add(sum[i], a, b);
            __asm__ volatile("" : "+x"(a), "+x"(sum[i]));
        }
    }
    for (int i = 1; i < 12; i++) sum[0] = _mm256_add_epi32(sum[0], sum[i]);
    return rounds * 12 * 16 + (_mm256_extract_epi32(sum[0], 0) == 7);
}

const qk_linear_ops QK_TABLE = {.tile_tokens = TILE_TOKENS, .q8_tile = q8_tile, .multiply_wall = multiply_wall};
