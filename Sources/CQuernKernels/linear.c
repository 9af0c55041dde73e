// Matrix products and activation quantisation: division of the work, independent of the instruction set.
#include <string.h>

#include "half.h"
#include "lanes.h"
#include "parallel.h"
#include "tile.h"

enum {
    MAX_JOBS = 4,
    CHUNK_BYTES = 32 * 1024,     // weights a worker takes at once when streaming
    BLOCK_TILES = 4,             // tiles it takes at once where they share blocks of tokens
    SERIAL_FLOATS = 4 * 1024,   // below this an element-wise operation is not worth waking a worker
};

struct matmul {
    const qk_ops *ops;
    qk_activations x;
    int64_t m;
    const qk_matmul_job *jobs;
    int job_count;
    int64_t first_tile[MAX_JOBS + 1];
    qk_division division;
};

// Adds bias and residual and stores `tokens` tokens of one tile.
static void store_sums(const qk_matmul_job *job, int64_t tile, int64_t token, int64_t tokens, const float *sums) {
    int64_t row = tile * QK_TILE_ROWS;
    float bias[QK_TILE_ROWS];
    int32_t rows = qk_tile_bias(job, tile, bias);
    for (int64_t t = 0; t < tokens; t++) {
        float *y = job->y + (token + t) * job->ldy + row;
        f16 value = load16(sums + t * QK_TILE_ROWS) + load16(bias);
        if (rows == QK_TILE_ROWS) {
            store16(y, job->accumulate ? load16(y) + value : value);
        } else {
            for (int32_t r = 0; r < rows; r++) y[r] = job->accumulate ? y[r] + value[r] : value[r];
        }
    }
}

// Blocks of tokens outside, tiles inside: the block's activations stay in the second cache while the weights stream past.
static void multiply_tiles(const struct matmul *task, const qk_matmul_job *job, int64_t first, int64_t end) {
    float sums[QK_BLOCK_TOKENS * QK_TILE_ROWS];
    for (int64_t token = 0; token < task->m; token += QK_BLOCK_TOKENS) {
        int64_t tokens = task->m - token < QK_BLOCK_TOKENS ? task->m - token : QK_BLOCK_TOKENS;
        for (int64_t tile = first; tile < end; tile++) {
            for (int64_t t = token; t < token + tokens; t++)
                __builtin_prefetch(job->y + t * job->ldy + tile * QK_TILE_ROWS, 1);
            qk_multiply_tile(task->ops, &job->weights, tile, qk_tile_values(&job->weights, tile + 1), task->x, token, tokens, sums);
            store_sums(job, tile, token, tokens, sums);
        }
    }
}

static void matmul_work(void *context, int worker, int workers) {
    (void)workers;
    struct matmul *task = context;
    int64_t start, end;
    qk_begin_products(task->ops, task->jobs[0].weights.group);
    while (qk_take(&task->division, worker, &start, &end)) {
        for (int job = 0; job < task->job_count; job++) {
            int64_t first = task->first_tile[job], last = task->first_tile[job + 1];
            multiply_tiles(task, &task->jobs[job], (start > first ? start : first) - first, (end < last ? end : last) - first);
        }
    }
    qk_end_products(task->ops);
}

void qk_q8_matmul(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, const qk_matmul_job *jobs, int job_count) {
    struct matmul task = {.ops = ops, .x = x, .m = m, .jobs = jobs, .job_count = job_count};
    for (int j = 0; j < job_count; j++)
        task.first_tile[j + 1] = task.first_tile[j] + qk_tile_count(&jobs[j].weights);
    int64_t tile_bytes = QK_TILE_ROWS * jobs[0].weights.k_padded * jobs[0].weights.bits / 8;
    int64_t passes = (m + ops->linear->tile_tokens - 1) / ops->linear->tile_tokens;
    int64_t step = m > QK_BLOCK_TOKENS ? BLOCK_TILES : CHUNK_BYTES / tile_bytes / passes;
    qk_divide(&task.division, task.first_tile[job_count], step, qk_pool_thread_count(pool));
    qk_pool_run(pool, matmul_work, &task);
}

struct quantize {
    const qk_ops *ops;
    const float *x;
    int64_t ldx, columns, k_padded;
    int32_t group;
    qk_activations out;
    qk_division division;
};

static void quantize_work(void *context, int worker, int workers) {
    (void)workers;
    struct quantize *task = context;
    int64_t start, end;
    int64_t groups = task->k_padded / task->group;
    while (qk_take(&task->division, worker, &start, &end)) {
        for (int64_t i = start; i < end; i++) {
            qk_quantize(task->ops, task->x + i * task->ldx, task->columns, task->k_padded, task->group, task->out,
                        i * task->k_padded, i * groups);
        }
    }
}

void qk_quantize_rows(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, int64_t m, int64_t columns,
                      int64_t k_padded, int32_t group, qk_activations out) {
    struct quantize task = {ops, x, ldx, columns, k_padded, group, out, {0}};
    if (m * columns < SERIAL_FLOATS) {
        qk_divide(&task.division, m, m, 1);
        quantize_work(&task, 0, 1);
    } else {
        qk_divide(&task.division, m, 4, qk_pool_thread_count(pool));
        qk_pool_run(pool, quantize_work, &task);
    }
}

qk_weight_fit qk_quantize_weights(const qk_ops *ops, const float *weights, int32_t group, int32_t bits, int8_t *values,
                                  uint16_t *scale) {
    return ops->rows->quantize_weights(weights, group, bits, values, scale);
}

void qk_pack_chunks(const int8_t *values, int64_t chunks, int32_t bits, uint8_t *out) {
    int64_t unit = bits == 4 ? 2 : 4;
    for (int64_t c = 0; c < chunks; c += unit, values += unit * 64, out += unit * 8 * bits) {
        memset(out, 0, (size_t)(unit * 8 * bits));
        for (int64_t i = 0; i < unit; i++) {
            for (int64_t j = 0; j < 64; j++) {
                uint8_t w = (uint8_t)values[i * 64 + j];
                out[i / 2 * 64 + j] |= (uint8_t)((w & 15) << (i % 2 * 4));
                if (bits == 6) out[128 + j] |= (uint8_t)((w >> 4 & 3) << (i * 2));
            }
        }
    }
}

void qk_q8_row(const qk_ops *ops, const qk_q8_matrix *w, int64_t row, int64_t columns, float *out) {
    const int8_t *tile = w->values + row / QK_TILE_ROWS * QK_TILE_ROWS * w->k_padded * w->bits / 8;
    const uint16_t *scales =
        w->scales + row / QK_TILE_ROWS * QK_TILE_ROWS * (w->k_padded / w->group) + row % QK_TILE_ROWS;
    int8_t expanded[QK_TILE_ROWS * 64];
    for (int64_t g = 0; g * w->group < columns; g++) {
        const int8_t *chunks = tile + g * w->group * QK_TILE_ROWS * w->bits / 8;
        if (w->bits < 8) {
            ops->rows->expand_chunks((const uint8_t *)chunks, w->group / 4, w->bits, expanded);
            chunks = expanded;
        }
        float scale = qk_half_to_float(scales[g * QK_TILE_ROWS]);
        int64_t n = columns - g * w->group < w->group ? columns - g * w->group : w->group;
        for (int64_t k = 0; k < n; k++)
            out[g * w->group + k] = (float)chunks[k / 4 * 64 + row % QK_TILE_ROWS * 4 + k % 4] * scale;
    }
}
