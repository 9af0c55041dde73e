// The int8 products of aarch64 processors with the dot product extension: 8-bit activations are multiplied as bytes.
#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "linear_neon.h"

// sdot takes signed times signed bytes, so the offsets that other instruction sets need are not read.
static inline __attribute__((always_inline)) void tile_bytes(const qk_panel *w, const int8_t *x, const float *x_scales,
                                                             const int tokens, float *sums) {
    const int8_t *values = w->values;
    const int32_t group = w->group;
    float32x4_t sum[TILE_TOKENS][QUARTERS];
    for (int t = 0; t < tokens; t++)
        for (int q = 0; q < QUARTERS; q++) sum[t][q] = vld1q_f32(sums + t * QK_TILE_ROWS + q * 4);
    for (int64_t g = 0; g < w->groups; g++) {
        int32x4_t exact[TILE_TOKENS][QUARTERS] = {0};
        for (int32_t c = 0; c < group; c += 4) {
            for (int t = 0; t < tokens; t++) {
                int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(*(const int32_t *)(x + t * w->x_stride + g * group + c)));
                for (int q = 0; q < QUARTERS; q++) exact[t][q] = vdotq_s32(exact[t][q], vld1q_s8(values + q * 16), four);
            }
            values += 64;
        }
        for (int t = 0; t < tokens; t++)
            flush(sum[t], exact[t], w->scales + g * QK_TILE_ROWS, x_scales[t * w->scale_stride + g]);
    }
    for (int t = 0; t < tokens; t++)
        for (int q = 0; q < QUARTERS; q++) vst1q_f32(sums + t * QK_TILE_ROWS + q * 4, sum[t][q]);
}

static void q8_tile_bytes(const qk_panel *w, const int8_t *x, const float *x_scales, const int32_t *x_offsets,
                          int32_t tokens, float *sums) {
    (void)x_offsets;
    if (tokens == 1)
        tile_bytes(w, x, x_scales, 1, sums);
    else
        tile_bytes(w, x, x_scales, TILE_TOKENS, sums);
}

const qk_linear_ops qk_linear_neondot = {
    .tile_tokens = TILE_TOKENS, .q8_tile = q8_tile, .q8_tile_bytes = q8_tile_bytes, .multiply_wall = multiply_wall};
#pragma clang attribute pop
#endif
