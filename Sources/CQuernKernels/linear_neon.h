// The int8 x int16 product over NEON registers, included by the files for aarch64 with and without byte products.
//
// A 64-byte chunk is four registers of 4 rows x 4 columns. Two shifts split a register into sign-extended even and odd columns,
// whose pairs meet the activation pairs (x0,x2) and (x1,x3) in widening multiply-adds; pairs are added once per group.
#include <arm_neon.h>

#include "ops.h"

#pragma clang fp contract(off)

enum { TILE_TOKENS = 2, QUARTERS = 4 };

static inline void flush(float32x4_t *sum, const int32x4_t *exact, const uint16_t *scales, float x_scale) {
    for (int q = 0; q < QUARTERS; q++) {
        float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(scales + q * 4)));
        sum[q] = vfmaq_f32(sum[q], vcvtq_f32_s32(exact[q]), vmulq_n_f32(scale, x_scale));
    }
}

static inline __attribute__((always_inline)) void tile(const qk_panel *w, const int16_t *x, const float *x_scales,
                                                       const int tokens, float *sums) {
    const int8_t *values = w->values;
    const int32_t group = w->group;
    float32x4_t sum[TILE_TOKENS][QUARTERS];
    for (int t = 0; t < tokens; t++)
        for (int q = 0; q < QUARTERS; q++) sum[t][q] = vld1q_f32(sums + t * QK_TILE_ROWS + q * 4);
    for (int64_t g = 0; g < w->groups; g++) {
        int32x4_t low[TILE_TOKENS][QUARTERS] = {0}, high[TILE_TOKENS][QUARTERS] = {0};
        for (int32_t c = 0; c < group; c += 4) {
            for (int q = 0; q < QUARTERS; q++) {
                int16x8_t four = vreinterpretq_s16_s8(vld1q_s8(values + q * 16));
                int16x8_t even = vshrq_n_s16(vshlq_n_s16(four, 8), 8), odd = vshrq_n_s16(four, 8);
                for (int t = 0; t < tokens; t++) {
                    const int32_t *pairs = (const int32_t *)(x + t * w->x_stride + g * group + c);
                    int16x8_t x_even = vreinterpretq_s16_s32(vdupq_n_s32(pairs[0]));
                    int16x8_t x_odd = vreinterpretq_s16_s32(vdupq_n_s32(pairs[1]));
                    low[t][q] = vmlal_s16(low[t][q], vget_low_s16(even), vget_low_s16(x_even));
                    high[t][q] = vmlal_high_s16(high[t][q], even, x_even);
                    low[t][q] = vmlal_s16(low[t][q], vget_low_s16(odd), vget_low_s16(x_odd));
                    high[t][q] = vmlal_high_s16(high[t][q], odd, x_odd);
                }
            }
            values += 64;
        }
        for (int t = 0; t < tokens; t++) {
            int32x4_t exact[QUARTERS];
            for (int q = 0; q < QUARTERS; q++) exact[q] = vpaddq_s32(low[t][q], high[t][q]);
            flush(sum[t], exact, w->scales + g * QK_TILE_ROWS, x_scales[t * w->scale_stride + g]);
        }
    }
    for (int t = 0; t < tokens; t++)
        for (int q = 0; q < QUARTERS; q++) vst1q_f32(sums + t * QK_TILE_ROWS + q * 4, sum[t][q]);
}

static void q8_tile(const qk_panel *w, const int16_t *x, const float *x_scales, int32_t tokens, float *sums) {
    if (tokens == 1)
        tile(w, x, x_scales, 1, sums);
    else
        tile(w, x, x_scales, TILE_TOKENS, sums);
}

// Twelve independent accumulators hide the latency of multiply and add.
static int64_t multiply_wall(int64_t rounds) {
    int16x8_t a = vdupq_n_s16(3), b = vdupq_n_s16(5);
    int32x4_t sum[12] = {0};
    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 12; i++) {
            sum[i] = vmlal_high_s16(sum[i], a, b);
            __asm__ volatile("" : "+w"(a), "+w"(sum[i]));
        }
    }
    for (int i = 1; i < 12; i++) sum[0] = vaddq_s32(sum[0], sum[i]);
    return rounds * 12 * 4 + (vaddvq_s32(sum[0]) == 7);
}
