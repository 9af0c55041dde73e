// One group of columns of silu(gate(x)) * up(x): two products, the activation and the quantiser.
//
// Whoever computes a group has everything that its scale depends on, so nothing is written but the quantised result.
#ifndef QUERN_GATED_H
#define QUERN_GATED_H

#include "lanes.h"
#include "tile.h"

enum { QK_MAX_GROUP = 64 };

// Of a group of rows, or the end of the matrix.
static inline int64_t qk_first_tile(const qk_q8_matrix *w, int64_t group) {
    int64_t tile = group * w->group / QK_TILE_ROWS;
    return tile < qk_tile_count(w) ? tile : qk_tile_count(w);
}

// buffer[t][0..<group]: the product of the group's tiles; rows past the matrix are zero, as their weights are.
// `next`: the weights that are read afterwards.
static inline void qk_multiply_group(const qk_ops *ops, qk_activations x, const qk_matmul_job *job, int64_t group,
                                     const int8_t *next, int64_t token, int64_t tokens, float (*buffer)[QK_MAX_GROUP]) {
    const qk_q8_matrix *w = &job->weights;
    int64_t first = qk_first_tile(w, group), end = qk_first_tile(w, group + 1);
    for (int64_t tile = first; tile < end; tile++) {
        float sums[QK_GATE_TOKENS * QK_TILE_ROWS], bias[QK_TILE_ROWS];
        qk_multiply_tile(ops, w, tile, tile + 1 < end ? qk_tile_values(w, tile + 1) : next, x, token, tokens, sums);
        qk_tile_bias(job, tile, bias);
        for (int64_t t = 0; t < tokens; t++)
            store16(buffer[t] + (tile - first) * QK_TILE_ROWS, load16(sums + t * QK_TILE_ROWS) + load16(bias));
    }
}

// One group of columns of out, for tokens first ... end - 1.
static inline void qk_gate_group(const qk_ops *ops, qk_activations x, const qk_matmul_job *gate_job, const qk_matmul_job *up_job,
                                 int64_t group, int64_t first, int64_t end, qk_activations out) {
    const qk_q8_matrix *w = &gate_job->weights;
    int64_t groups = (w->rows + w->group - 1) / w->group, padded = groups * w->group;
    int64_t columns = w->rows - group * w->group < w->group ? w->rows - group * w->group : w->group;
    const int8_t *up_values = qk_tile_values(&up_job->weights, qk_first_tile(w, group));
    const int8_t *next_values = qk_tile_values(w, qk_first_tile(w, group + 1));
    float gate[QK_GATE_TOKENS][QK_MAX_GROUP], up[QK_GATE_TOKENS][QK_MAX_GROUP];
    for (int64_t token = first; token < end; token += QK_GATE_TOKENS) {
        int64_t tokens = end - token < QK_GATE_TOKENS ? end - token : QK_GATE_TOKENS;
        for (int64_t t = token; t < token + tokens; t++) {
            __builtin_prefetch(out.values + t * padded + group * w->group, 1);
            __builtin_prefetch(out.values + t * padded + group * w->group + 32, 1);
        }
        qk_multiply_group(ops, x, gate_job, group, up_values, token, tokens, gate);
        qk_multiply_group(ops, x, up_job, group, next_values, token, tokens, up);
        for (int64_t t = 0; t < tokens; t++) {
            ops->rows->swiglu_row(gate[t], up[t], gate[t], columns);
            qk_quantize(ops, gate[t], columns, w->group, w->group, out, (token + t) * padded + group * w->group,
                        (token + t) * groups + group);
        }
    }
}

#endif
