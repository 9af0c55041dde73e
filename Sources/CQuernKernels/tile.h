// One weight tile times a block of tokens: the step that every matrix product is made of.
//
// Where the instruction set cannot unpack weights of fewer bits on the way, they are expanded a panel of columns at a time, into
// a buffer that stays in the first cache; the tokens of the block share it. The order of a sum does not depend on either.
#ifndef QUERN_TILE_H
#define QUERN_TILE_H

#include <string.h>

#include "ops.h"

enum { QK_PANEL_COLUMNS = 256 };

static inline int qk_are_bytes(const qk_ops *ops, qk_activations x) { return x.bits == 8 && ops->linear->q8_tile_bytes; }

static inline int64_t qk_tile_count(const qk_q8_matrix *w) { return (w->rows + QK_TILE_ROWS - 1) / QK_TILE_ROWS; }

static inline void qk_multiply_panel(const qk_ops *ops, const qk_panel *w, qk_activations x, int64_t first_group, int64_t token,
                                     int64_t tokens, float *sums) {
    const float *x_scales = x.scales + token * w->scale_stride + first_group;
    int64_t at = token * w->x_stride + first_group * w->group;
    int32_t step = ops->linear->tile_tokens;
    for (int64_t t = 0; t < tokens; t += step) {
        int32_t count = tokens - t < step ? (int32_t)(tokens - t) : step;
        float *out = sums + t * QK_TILE_ROWS;
        if (qk_are_bytes(ops, x))
            ops->linear->q8_tile_bytes(w, (const int8_t *)x.values + at + t * w->x_stride, x_scales + t * w->scale_stride,
                                       x.offsets + (token + t) * w->scale_stride + first_group, count, out);
        else
            ops->linear->q8_tile(w, x.values + at + t * w->x_stride, x_scales + t * w->scale_stride, count, out);
    }
}

// sums[t * 16 + r] for tokens token...token + tokens - 1, at most QK_BLOCK_TOKENS of them.
static inline void qk_multiply_tile(const qk_ops *ops, const qk_q8_matrix *w, int64_t tile, qk_activations x, int64_t token,
                                    int64_t tokens, float *sums) {
    int64_t groups = w->k_padded / w->group;
    const int8_t *values = w->values + tile * QK_TILE_ROWS * w->k_padded * w->bits / 8;
    qk_panel panel = {values, w->scales + tile * QK_TILE_ROWS * groups, groups, w->group, w->bits, w->k_padded, groups};
    memset(sums, 0, (size_t)tokens * QK_TILE_ROWS * sizeof *sums);
    if (w->bits == 8 || ops->linear->reads_packed) {
        qk_multiply_panel(ops, &panel, x, 0, token, tokens, sums);
        return;
    }
    int8_t expanded[QK_TILE_ROWS * QK_PANEL_COLUMNS];
    panel.values = expanded;
    panel.bits = 8;
    for (int64_t first = 0; first < groups; first += panel.groups) {
        int64_t most = QK_PANEL_COLUMNS / w->group;
        panel.groups = groups - first < most ? groups - first : most;
        ops->rows->expand_chunks((const uint8_t *)values + first * w->group * QK_TILE_ROWS * w->bits / 8,
                                 panel.groups * w->group / 4, w->bits, expanded);
        qk_multiply_panel(ops, &panel, x, first, token, tokens, sums);
        panel.scales += panel.groups * QK_TILE_ROWS;
    }
}

#endif
