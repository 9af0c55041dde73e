// One weight tile times a block of tokens: the step that every matrix product is made of.
//
// Where the instruction set cannot unpack weights of fewer bits on the way, they are expanded a panel of columns at a time, into
// a buffer that stays in the first cache; the tokens of the block share it. The order of a sum does not depend on either.
#ifndef QUERN_TILE_H
#define QUERN_TILE_H

#include <string.h>

#include "ops.h"

enum { QK_PANEL_COLUMNS = 256 };

// How activations lie in memory (see qk_activations).
typedef enum { QK_PAIRS, QK_PLANES, QK_BYTES } qk_layout;

static inline qk_layout qk_layout_of(const qk_ops *ops, qk_activations x) {
    if (x.bits == 8 && ops->linear->q8_tile_bytes) return QK_BYTES;
    return ops->linear->q8_tile_planes ? QK_PLANES : QK_PAIRS;
}

static inline void qk_begin_products(const qk_ops *ops, int32_t group) {
    if (ops->linear->begin) ops->linear->begin(group);
}

static inline void qk_end_products(const qk_ops *ops) {
    if (ops->linear->end) ops->linear->end();
}

// One row to its place in out: the integer at `value`, the scale at `scale`.
static inline void qk_quantize(const qk_ops *ops, const float *x, int64_t columns, int64_t k_padded, int32_t group,
                               qk_activations out, int64_t value, int64_t scale) {
    switch (qk_layout_of(ops, out)) {
        case QK_BYTES:
            ops->rows->quantize_row_bytes(x, columns, k_padded, group, (int8_t *)out.values + value, out.scales + scale,
                                          out.offsets + scale);
            break;
        case QK_PLANES:
            ops->rows->quantize_row_planes(x, columns, k_padded, group, (int8_t *)(out.values + value), out.scales + scale,
                                           out.offsets + scale);
            break;
        case QK_PAIRS:
            ops->rows->quantize_row(x, columns, k_padded, group, out.bits == 8 ? 127.0f : 32767.0f, out.values + value,
                                    out.scales + scale);
    }
}

static inline int64_t qk_tile_count(const qk_q8_matrix *w) { return (w->rows + QK_TILE_ROWS - 1) / QK_TILE_ROWS; }

// The bias of the tile's rows, zero where there is none; returns how many of its rows exist.
static inline int32_t qk_tile_bias(const qk_matmul_job *job, int64_t tile, float *bias) {
    int64_t row = tile * QK_TILE_ROWS, left = job->weights.rows - row;
    int32_t rows = left < QK_TILE_ROWS ? (int32_t)left : QK_TILE_ROWS;
    for (int32_t r = 0; r < QK_TILE_ROWS; r++) bias[r] = job->bias && r < rows ? job->bias[row + r] : 0.0f;
    return rows;
}

static inline void qk_multiply_panel(const qk_ops *ops, qk_panel *w, qk_activations x, int64_t first_group, int64_t token,
                                     int64_t tokens, float *sums) {
    const float *x_scales = x.scales + token * w->scale_stride + first_group;
    int64_t at = token * w->x_stride + first_group * w->group;
    int32_t step = ops->linear->tile_tokens;
    for (int64_t t = 0; t < tokens; t += step) {
        int32_t count = tokens - t < step ? (int32_t)(tokens - t) : step;
        float *out = sums + t * QK_TILE_ROWS;
        const int64_t value = at + t * w->x_stride, scale = t * w->scale_stride;
        const int32_t *x_offsets = x.offsets + token * w->scale_stride + first_group + scale;
        switch (qk_layout_of(ops, x)) {
            case QK_BYTES:
                ops->linear->q8_tile_bytes(w, (const int8_t *)x.values + value, x_scales + scale, x_offsets, count, out);
                break;
            case QK_PLANES:
                ops->linear->q8_tile_planes(w, (const int8_t *)(x.values + value), x_scales + scale, x_offsets, count, out);
                break;
            case QK_PAIRS: ops->linear->q8_tile(w, x.values + value, x_scales + scale, count, out);
        }
        w->asking = QK_ASK_NOTHING;
    }
}

static inline const int8_t *qk_tile_values(const qk_q8_matrix *w, int64_t tile) {
    return w->values + tile * QK_TILE_ROWS * w->k_padded * w->bits / 8;
}

// sums[t * 16 + r] for tokens token...token + tokens - 1, at most QK_BLOCK_TOKENS of them. `next`: the weights of the call after.
static inline void qk_multiply_tile(const qk_ops *ops, const qk_q8_matrix *w, int64_t tile, const int8_t *next, qk_activations x,
                                    int64_t token, int64_t tokens, float *sums) {
    int64_t groups = w->k_padded / w->group;
    const int8_t *values = qk_tile_values(w, tile);
    qk_panel panel = {.values = values, .scales = w->scales + tile * QK_TILE_ROWS * groups, .groups = groups, .group = w->group,
                      .bits = w->bits, .x_stride = w->k_padded, .scale_stride = groups, .next = next,
                      .asking = tokens > ops->linear->tile_tokens ? QK_ASK_KEEP : qk_ask_once()};
    memset(sums, 0, (size_t)tokens * QK_TILE_ROWS * sizeof *sums);
    if (w->bits == 8 || tokens <= ops->linear->packed_tokens) {
        qk_multiply_panel(ops, &panel, x, 0, token, tokens, sums);
        return;
    }
    int8_t expanded[QK_TILE_ROWS * QK_PANEL_COLUMNS];
    panel.values = expanded;
    panel.bits = 8;
    panel.asking = QK_ASK_NOTHING;
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
