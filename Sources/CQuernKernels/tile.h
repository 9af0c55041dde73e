// One weight tile times a few tokens: the step that every matrix product is made of.
#ifndef QUERN_TILE_H
#define QUERN_TILE_H

#include "ops.h"

static inline int qk_are_bytes(const qk_ops *ops, qk_activations x) { return x.bits == 8 && ops->linear->q8_tile_bytes; }

// sums[t * 16 + r] for tokens token...token + tokens - 1, at most tile_tokens of them.
static inline void qk_multiply_tile(const qk_ops *ops, const qk_q8_matrix *w, int64_t tile, qk_activations x, int64_t token,
                                    int64_t tokens, float *sums) {
    int64_t groups = w->k_padded / w->group;
    const int8_t *values = w->values + tile * QK_TILE_ROWS * w->k_padded;
    const uint16_t *scales = w->scales + tile * QK_TILE_ROWS * groups;
    if (qk_are_bytes(ops, x))
        ops->linear->q8_tile_bytes(values, scales, (const int8_t *)x.values + token * w->k_padded, x.scales + token * groups,
                                   x.offsets + token * groups, w->k_padded, w->group, (int32_t)tokens, sums);
    else
        ops->linear->q8_tile(values, scales, x.values + token * w->k_padded, x.scales + token * groups, w->k_padded, w->group,
                             (int32_t)tokens, sums);
}

static inline int64_t qk_tile_count(const qk_q8_matrix *w) { return (w->rows + QK_TILE_ROWS - 1) / QK_TILE_ROWS; }

#endif
