// The int8 x int16 product over 32-byte registers, compiled with and without VNNI.
//
// A 64-byte chunk holds 16 rows x 4 columns. Two shifts split its bytes into sign-extended even and odd columns, whose
// pairs meet the activation pairs (x0,x2) and (x1,x3) in a 16-bit multiply-add: exact, with 16-bit activations, at the cost
// of three shifts per 32 weights, which the tokens of a pass share. (A panel of expanded weights for many tokens is no
// faster: the wall is multiply and add, not shifts.) The includer defines multiply_add and QK_TABLE.
#include <immintrin.h>

#include "ops.h"

#pragma clang fp contract(off)

enum { TILE_TOKENS = 4 };

// Chunks that are unpacked together, from 8 * bits bytes each.
enum { MOST_CHUNKS = 4 };
static inline int chunks_of(const int bits) { return bits == 8 ? 1 : bits == 4 ? 2 : 4; }

// Sign-extended even and odd columns of eight rows of the chunks at values (packing: qk_q8_matrix).
static inline __attribute__((always_inline)) void split(const int8_t *values, const int bits, __m256i *even, __m256i *odd) {
    __m256i first = _mm256_loadu_si256((const __m256i *)values);
    if (bits == 8) {
        even[0] = _mm256_srai_epi16(_mm256_slli_epi16(first, 8), 8);
        odd[0] = _mm256_srai_epi16(first, 8);
    } else if (bits == 4) {
        even[0] = _mm256_srai_epi16(_mm256_slli_epi16(first, 12), 12);
        odd[0] = _mm256_srai_epi16(_mm256_slli_epi16(first, 4), 12);
        even[1] = _mm256_srai_epi16(_mm256_slli_epi16(first, 8), 12);
        odd[1] = _mm256_srai_epi16(first, 12);
    } else {
        // The six bits meet at the top of each lane; the arithmetic shift drops what is below them.
        const __m256i top = _mm256_set1_epi16((short)0xC000);
        __m256i second = _mm256_loadu_si256((const __m256i *)(values + 64));
        __m256i high = _mm256_loadu_si256((const __m256i *)(values + 128));
#define SIX(high_bits, low_bits) \
    _mm256_srai_epi16(_mm256_or_si256(_mm256_and_si256(top, high_bits), _mm256_andnot_si256(top, low_bits)), 10)
        even[0] = SIX(_mm256_slli_epi16(high, 14), _mm256_slli_epi16(first, 10));
        odd[0] = SIX(_mm256_slli_epi16(high, 6), _mm256_slli_epi16(first, 2));
        even[1] = SIX(_mm256_slli_epi16(high, 12), _mm256_slli_epi16(first, 6));
        odd[1] = SIX(_mm256_slli_epi16(high, 4), _mm256_srli_epi16(first, 2));
        even[2] = SIX(_mm256_slli_epi16(high, 10), _mm256_slli_epi16(second, 10));
        odd[2] = SIX(_mm256_slli_epi16(high, 2), _mm256_slli_epi16(second, 2));
        even[3] = SIX(_mm256_slli_epi16(high, 8), _mm256_slli_epi16(second, 6));
        odd[3] = SIX(high, _mm256_srli_epi16(second, 2));
#undef SIX
    }
}

// sum += exact * (scale * x_scale), eight rows.
static inline __m256 flush(__m256 sum, __m256i exact, __m256 scale, __m256 x_scale) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact), _mm256_mul_ps(scale, x_scale), sum);
}

static inline __m256 load_scales(const uint16_t *scales) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)scales)); }

static inline __attribute__((always_inline)) void tile(const qk_panel *w, const int16_t *x, const float *x_scales, const int bits,
                                                       const int tokens, float *sums) {
    const int8_t *values = w->values, *ahead = values + QK_ASK_BYTES;
    const int64_t leaving = qk_last_asking_group(w);
    const qk_asking asking = w->asking;
    const int32_t group = w->group;
    __m256 sum[TILE_TOKENS][2];
    for (int t = 0; t < tokens; t++) {
        sum[t][0] = _mm256_loadu_ps(sums + t * QK_TILE_ROWS);
        sum[t][1] = _mm256_loadu_ps(sums + t * QK_TILE_ROWS + 8);
    }
    for (int64_t g = 0; g < w->groups; g++) {
        if (g == leaving) ahead = w->next;
        __m256i exact[TILE_TOKENS][2];
        for (int t = 0; t < tokens; t++) exact[t][0] = exact[t][1] = _mm256_setzero_si256();
        for (int32_t c = 0; c < group; c += 4 * chunks_of(bits)) {
            __m256i low_even[MOST_CHUNKS], low_odd[MOST_CHUNKS], high_even[MOST_CHUNKS], high_odd[MOST_CHUNKS];
            for (int i = 0; i < bits * chunks_of(bits); i += 8) qk_ask(ahead + i * 8, asking);
            split(values, bits, low_even, low_odd);
            split(values + 32, bits, high_even, high_odd);
            for (int i = 0; i < chunks_of(bits); i++) {
                for (int t = 0; t < tokens; t++) {
                    const int32_t *pairs = (const int32_t *)(x + t * w->x_stride + g * group + c + i * 4);
                    __m256i even = _mm256_set1_epi32(pairs[0]), odd = _mm256_set1_epi32(pairs[1]);
                    exact[t][0] = multiply_add(exact[t][0], low_even[i], even);
                    exact[t][1] = multiply_add(exact[t][1], high_even[i], even);
                    exact[t][0] = multiply_add(exact[t][0], low_odd[i], odd);
                    exact[t][1] = multiply_add(exact[t][1], high_odd[i], odd);
                }
            }
            values += 8 * bits * chunks_of(bits);
            ahead += 8 * bits * chunks_of(bits);
        }
        __m256 low = load_scales(w->scales + g * QK_TILE_ROWS), high = load_scales(w->scales + g * QK_TILE_ROWS + 8);
        for (int t = 0; t < tokens; t++) {
            __m256 x_scale = _mm256_set1_ps(x_scales[t * w->scale_stride + g]);
            sum[t][0] = flush(sum[t][0], exact[t][0], low, x_scale);
            sum[t][1] = flush(sum[t][1], exact[t][1], high, x_scale);
        }
    }
    for (int t = 0; t < tokens; t++) {
        _mm256_storeu_ps(sums + t * QK_TILE_ROWS, sum[t][0]);
        _mm256_storeu_ps(sums + t * QK_TILE_ROWS + 8, sum[t][1]);
    }
}

// Bits and tokens are constants in each call: a run-time bound would spill the accumulators.
#define QK_FOR_TOKENS(bits)                                             \
    switch (tokens) {                                                   \
        case 1: tile(w, x, x_scales, bits, 1, sums); break;             \
        case 2: tile(w, x, x_scales, bits, 2, sums); break;             \
        case 3: tile(w, x, x_scales, bits, 3, sums); break;             \
        default: tile(w, x, x_scales, bits, TILE_TOKENS, sums); break;  \
    }

static void q8_tile(const qk_panel *w, const int16_t *x, const float *x_scales, int32_t tokens, float *sums) {
    if (w->bits == 8)
        QK_FOR_TOKENS(8)
    else if (w->bits == 6)
        QK_FOR_TOKENS(6)
    else
        QK_FOR_TOKENS(4)
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

const qk_linear_ops QK_TABLE = {
    .tile_tokens = TILE_TOKENS, .packed_tokens = QK_BLOCK_TOKENS, .q8_tile = q8_tile, .multiply_wall = multiply_wall};
