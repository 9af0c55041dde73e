// silu(gate(x)) * up(x), quantised for the down projection: two products, the activation and the quantiser in one region.
//
// An item is one group of output columns, so whoever computes it has everything that its scale depends on. Nothing is
// written but the quantised result, and no barrier stands between the steps.
#include <string.h>

#include "lanes.h"
#include "parallel.h"
#include "tile.h"

enum { TOKENS_AT_ONCE = 32, MAX_GROUP = 64 };

// Of a group of rows, or the end of the matrix.
static int64_t first_tile(const qk_q8_matrix *w, int64_t group) {
    int64_t tile = group * w->group / QK_TILE_ROWS;
    return tile < qk_tile_count(w) ? tile : qk_tile_count(w);
}

struct gated {
    const qk_ops *ops;
    qk_activations x, out;
    int64_t m;
    const qk_matmul_job *gate, *up;
    qk_division division;
};

// buffer[t][0..<group]: the product of the group's tiles; rows past the matrix are zero, as their weights are.
// `next`: the weights that are read afterwards.
static void multiply_group(const struct gated *task, const qk_matmul_job *job, int64_t group, const int8_t *next, int64_t token,
                           int64_t tokens, float (*buffer)[MAX_GROUP]) {
    const qk_q8_matrix *w = &job->weights;
    int64_t first = first_tile(w, group), end = first_tile(w, group + 1);
    for (int64_t tile = first; tile < end; tile++) {
        float sums[TOKENS_AT_ONCE * QK_TILE_ROWS], bias[QK_TILE_ROWS];
        qk_multiply_tile(task->ops, w, tile, tile + 1 < end ? qk_tile_values(w, tile + 1) : next, task->x, token, tokens, sums);
        qk_tile_bias(job, tile, bias);
        for (int64_t t = 0; t < tokens; t++)
            store16(buffer[t] + (tile - first) * QK_TILE_ROWS, load16(sums + t * QK_TILE_ROWS) + load16(bias));
    }
}

static void gate_group(const struct gated *task, int64_t group) {
    const qk_q8_matrix *w = &task->gate->weights;
    int64_t groups = (w->rows + w->group - 1) / w->group, padded = groups * w->group;
    int64_t columns = w->rows - group * w->group < w->group ? w->rows - group * w->group : w->group;
    float gate[TOKENS_AT_ONCE][MAX_GROUP], up[TOKENS_AT_ONCE][MAX_GROUP];
    for (int64_t token = 0; token < task->m; token += TOKENS_AT_ONCE) {
        int64_t tokens = task->m - token < TOKENS_AT_ONCE ? task->m - token : TOKENS_AT_ONCE;
        for (int64_t t = token; t < token + tokens; t++) {
            __builtin_prefetch(task->out.values + t * padded + group * w->group, 1);
            __builtin_prefetch(task->out.values + t * padded + group * w->group + 32, 1);
        }
        multiply_group(task, task->gate, group, qk_tile_values(&task->up->weights, first_tile(w, group)), token, tokens, gate);
        multiply_group(task, task->up, group, qk_tile_values(w, first_tile(w, group + 1)), token, tokens, up);
        for (int64_t t = 0; t < tokens; t++) {
            task->ops->rows->swiglu_row(gate[t], up[t], gate[t], columns);
            task->ops->rows->quantize_row(gate[t], columns, w->group, w->group, 32767.0f,
                                          task->out.values + (token + t) * padded + group * w->group,
                                          task->out.scales + (token + t) * groups + group);
        }
    }
}

static void gated_work(void *context, int worker, int workers) {
    (void)workers;
    struct gated *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t group = start; group < end; group++) gate_group(task, group);
}

void qk_q8_gated(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, const qk_matmul_job *gate,
                 const qk_matmul_job *up, qk_activations out) {
    struct gated task = {.ops = ops, .x = x, .out = out, .m = m, .gate = gate, .up = up};
    const qk_q8_matrix *w = &gate->weights;
    qk_divide(&task.division, (w->rows + w->group - 1) / w->group, 1, qk_pool_thread_count(pool));
    qk_pool_run(pool, gated_work, &task);
}
