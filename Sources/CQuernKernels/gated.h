// One group of columns of silu(gate(x)) * up(x): two products, the activation and the quantiser.
//
// Whoever computes a group has everything that its scale depends on, so nothing is written but the quantised result.
#ifndef QUERN_GATED_H
#define QUERN_GATED_H

#include <string.h>

#include "tile.h"

enum { QK_GATE_TOKENS = 32, QK_MAX_GROUP = 64, QK_PREFETCH_BYTES = 4096 };

// buffer[t][0..<group]: the product of the group's tiles; rows past the matrix stay zero.
static inline void qk_multiply_group(const qk_ops *ops, qk_activations x, const qk_matmul_job *job, int64_t group, int64_t token,
                                     int64_t tokens, float (*buffer)[QK_MAX_GROUP]) {
    const qk_q8_matrix *w = &job->weights;
    int64_t first = group * w->group / QK_TILE_ROWS;
    memset(buffer, 0, (size_t)tokens * sizeof *buffer);
    for (int64_t tile = first; tile < first + w->group / QK_TILE_ROWS && tile < qk_tile_count(w); tile++) {
        float sums[QK_GATE_TOKENS * QK_TILE_ROWS];
        qk_multiply_tile(ops, w, tile, x, token, tokens, sums);
        int64_t row = tile * QK_TILE_ROWS;
        int64_t rows = w->rows - row < QK_TILE_ROWS ? w->rows - row : QK_TILE_ROWS;
        for (int64_t t = 0; t < tokens; t++)
            for (int64_t r = 0; r < rows; r++)
                buffer[t][(tile - first) * QK_TILE_ROWS + r] =
                    job->bias ? sums[t * QK_TILE_ROWS + r] + job->bias[row + r] : sums[t * QK_TILE_ROWS + r];
    }
}

// The memory idles while the activation is computed unless the next group's weights are asked for.
static inline void qk_prefetch_group(const qk_q8_matrix *w, int64_t group) {
    if ((group + 1) * w->group > w->rows) return;
    const char *next = (const char *)w->values + group * w->group * w->k_padded * w->bits / 8;
    for (int i = 0; i < QK_PREFETCH_BYTES; i += 64) __builtin_prefetch(next + i);
}

// One group of columns of out, for tokens first ... end - 1.
static inline void qk_gate_group(const qk_ops *ops, qk_activations x, const qk_matmul_job *gate_job, const qk_matmul_job *up_job,
                                 int64_t group, int64_t first, int64_t end, qk_activations out) {
    const qk_q8_matrix *w = &gate_job->weights;
    int64_t groups = (w->rows + w->group - 1) / w->group, padded = groups * w->group;
    int64_t columns = w->rows - group * w->group < w->group ? w->rows - group * w->group : w->group;
    float gate[QK_GATE_TOKENS][QK_MAX_GROUP], up[QK_GATE_TOKENS][QK_MAX_GROUP];
    for (int64_t token = first; token < end; token += QK_GATE_TOKENS) {
        int64_t tokens = end - token < QK_GATE_TOKENS ? end - token : QK_GATE_TOKENS;
        qk_multiply_group(ops, x, gate_job, group, token, tokens, gate);
        qk_multiply_group(ops, x, up_job, group, token, tokens, up);
        qk_prefetch_group(w, group + 1);
        for (int64_t t = 0; t < tokens; t++) {
            ops->rows->swiglu_row(gate[t], up[t], gate[t], columns);
            ops->rows->quantize_row(gate[t], columns, w->group, w->group, 32767.0f,
                                    out.values + (token + t) * padded + group * w->group,
                                    out.scales + (token + t) * groups + group);
        }
    }
}

#endif
