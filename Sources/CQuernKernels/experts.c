// Mixtures of experts: routing, the experts' products over bucketed tokens, and the weighted sum.
//
// The step's activations are quantised once; the rows of an expert's tokens are gathered, so that every weight is read once a step.
// Items are groups and tiles of one expert, so that an expert which many tokens chose is shared by all workers.
// Invariant: what a token gets from an expert does not depend on which other tokens chose it.
#include <string.h>

#include "gated.h"
#include "parallel.h"

enum { SERIAL_FLOATS = 4 * 1024, MAX_EXPERTS = 4096 };

struct dots {
    const qk_ops *ops;
    const float *x, *w;
    float *y;
    int64_t ldx, ldy, rows, n;
    qk_division division;
};

static void dots_work(void *context, int worker, int workers) {
    (void)workers;
    struct dots *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t i = start; i < end; i++)
            task->ops->rows->float_dots(task->w, task->rows, task->n, task->x + i * task->ldx, task->y + i * task->ldy);
}

void qk_float_matmul(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, int64_t m, const float *w, int64_t rows,
                     int64_t n, float *y, int64_t ldy) {
    struct dots task = {.ops = ops, .x = x, .w = w, .y = y, .ldx = ldx, .ldy = ldy, .rows = rows, .n = n};
    if (m == 1) {
        qk_divide(&task.division, 1, 1, 1);
        dots_work(&task, 0, 1);
    } else {
        qk_divide(&task.division, m, 2, qk_pool_thread_count(pool));
        qk_pool_run(pool, dots_work, &task);
    }
}

// The largest of p not chosen before, the first on ties; always some expert, whatever p holds.
static int32_t choose(const float *p, int32_t experts, const int32_t *chosen, int32_t count) {
    int32_t best = -1;
    for (int32_t e = 0; e < experts; e++) {
        int taken = 0;
        for (int32_t j = 0; j < count; j++) taken |= chosen[j] == e;
        if (!taken && (best < 0 || p[e] > p[best])) best = e;
    }
    return best;
}

static void route_token(const qk_ops *ops, const float *logits, int32_t normalizes, const qk_routing *r, int64_t token) {
    float p[MAX_EXPERTS];
    memcpy(p, logits + token * r->experts, (size_t)r->experts * sizeof *p);
    ops->rows->softmax(p, r->experts);
    int32_t *expert = r->expert + token * r->per_token;
    float *weight = r->weight + token * r->per_token, sum = 0;
    for (int32_t j = 0; j < r->per_token; j++) {
        expert[j] = choose(p, r->experts, expert, j);
        weight[j] = p[expert[j]];
        sum += weight[j];
    }
    if (normalizes)
        for (int32_t j = 0; j < r->per_token; j++) weight[j] /= sum;
}

void qk_route(const qk_ops *ops, const float *logits, int64_t m, int32_t normalizes, qk_routing r) {
    for (int64_t token = 0; token < m; token++) route_token(ops, logits, normalizes, &r, token);
    int64_t pairs = m * r.per_token;
    memset(r.first, 0, (size_t)(r.experts + 1) * sizeof *r.first);
    for (int64_t i = 0; i < pairs; i++) r.first[r.expert[i] + 1]++;
    for (int32_t e = 0; e < r.experts; e++) r.first[e + 1] += r.first[e];
    for (int64_t i = 0; i < pairs; i++) {  // first[e] runs from e's first pair to the next expert's
        int32_t place = r.first[r.expert[i]]++;
        r.pair[i] = place;
        r.token[place] = (int32_t)(i / r.per_token);
    }
    memmove(r.first + 1, r.first, (size_t)r.experts * sizeof *r.first);
    r.first[0] = 0;
}

struct experts {
    const qk_ops *ops;
    const qk_q8_experts *layer;
    const qk_routing *routing;
    qk_activations x, gathered, inner;
    float *out;
    int64_t per_expert;  // items
    int32_t active[MAX_EXPERTS];
    qk_division division;
};

static qk_matmul_job job_of(const qk_q8_matrix *all, int32_t expert, int64_t rows) {
    qk_q8_matrix one = *all;
    one.rows = rows;
    one.values += expert * rows * all->k_padded * all->bits / 8;
    one.scales += expert * rows * (all->k_padded / all->group);
    return (qk_matmul_job){.weights = one};
}

static void gather_work(void *context, int worker, int workers) {
    (void)workers;
    struct experts *task = context;
    int64_t columns = task->layer->gate.k_padded, groups = columns / task->layer->gate.group;
    const qk_layout layout = qk_layout_of(task->ops, task->x);
    size_t size = layout == QK_BYTES ? 1 : 2;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end)) {
        for (int64_t pair = start; pair < end; pair++) {
            int64_t token = task->routing->token[pair];
            memcpy((char *)task->gathered.values + (size_t)(pair * columns) * size,
                   (const char *)task->x.values + (size_t)(token * columns) * size, (size_t)columns * size);
            memcpy(task->gathered.scales + pair * groups, task->x.scales + token * groups, (size_t)groups * sizeof(float));
            if (layout != QK_PAIRS)
                memcpy(task->gathered.offsets + pair * groups, task->x.offsets + token * groups, (size_t)groups * sizeof(int32_t));
        }
    }
}

static void gate_work(void *context, int worker, int workers) {
    (void)workers;
    struct experts *task = context;
    int64_t start, end;
    qk_begin_products(task->ops, task->layer->gate.group);
    while (qk_take(&task->division, worker, &start, &end)) {
        for (int64_t item = start; item < end; item++) {
            int32_t expert = task->active[item / task->per_expert];
            qk_matmul_job gate = job_of(&task->layer->gate, expert, task->layer->size);
            qk_matmul_job up = job_of(&task->layer->up, expert, task->layer->size);
            qk_gate_group(task->ops, task->gathered, &gate, &up, item % task->per_expert, task->routing->first[expert],
                          task->routing->first[expert + 1], task->inner);
        }
    }
    qk_end_products(task->ops);
}

static void down_tile(const struct experts *task, int32_t expert, int64_t tile) {
    qk_matmul_job down = job_of(&task->layer->down, expert, task->layer->hidden);
    int64_t end = task->routing->first[expert + 1];
    float sums[QK_BLOCK_TOKENS * QK_TILE_ROWS];
    for (int64_t pair = task->routing->first[expert]; pair < end; pair += QK_BLOCK_TOKENS) {
        int64_t count = end - pair < QK_BLOCK_TOKENS ? end - pair : QK_BLOCK_TOKENS;
        qk_multiply_tile(task->ops, &down.weights, tile, qk_tile_values(&down.weights, tile + 1), task->inner, pair, count,
                         sums);
        for (int64_t i = 0; i < count; i++)
            memcpy(task->out + (pair + i) * task->layer->hidden + tile * QK_TILE_ROWS, sums + i * QK_TILE_ROWS,
                   QK_TILE_ROWS * sizeof *sums);
    }
}

static void down_work(void *context, int worker, int workers) {
    (void)workers;
    struct experts *task = context;
    int64_t start, end;
    qk_begin_products(task->ops, task->layer->down.group);
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t item = start; item < end; item++)
            down_tile(task, task->active[item / task->per_expert], item % task->per_expert);
    qk_end_products(task->ops);
}

void qk_q8_experts_forward(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, qk_routing routing,
                           const qk_q8_experts *experts, qk_activations gathered, qk_activations inner, float *out) {
    struct experts task = {.ops = ops, .layer = experts, .routing = &routing, .x = x, .gathered = gathered, .inner = inner,
                           .out = out};
    int workers = qk_pool_thread_count(pool);
    int64_t count = 0;
    for (int32_t e = 0; e < routing.experts; e++)
        if (routing.first[e + 1] > routing.first[e]) task.active[count++] = e;
    qk_divide(&task.division, m * routing.per_token, 8, m == 1 ? 1 : workers);
    if (m == 1)
        gather_work(&task, 0, 1);
    else
        qk_pool_run(pool, gather_work, &task);
    task.per_expert = (experts->size + experts->gate.group - 1) / experts->gate.group;
    qk_divide(&task.division, count * task.per_expert, 1, workers);
    qk_pool_run(pool, gate_work, &task);
    task.per_expert = experts->hidden / QK_TILE_ROWS;
    qk_divide(&task.division, count * task.per_expert, 4, workers);
    qk_pool_run(pool, down_work, &task);
}

struct combine {
    const qk_ops *ops;
    const float *pairs, *shared, *gate;
    const qk_routing *routing;
    float *y;
    int64_t n;
    qk_division division;
};

static void combine_work(void *context, int worker, int workers) {
    (void)workers;
    struct combine *task = context;
    const qk_routing *r = task->routing;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end)) {
        for (int64_t token = start; token < end; token++) {
            float *y = task->y + token * task->n;
            for (int64_t i = token * r->per_token; i < (token + 1) * r->per_token; i++)
                task->ops->rows->scaled_add(y, task->pairs + r->pair[i] * task->n, r->weight[i], task->n);
            if (!task->shared) continue;
            float weight = 1.0f;
            task->ops->rows->gate(&weight, task->gate + token, 1);
            task->ops->rows->scaled_add(y, task->shared + token * task->n, weight, task->n);
        }
    }
}

void qk_combine_experts(const qk_ops *ops, qk_pool *pool, const float *pairs, qk_routing routing, const float *shared,
                        const float *gate, float *y, int64_t m, int64_t n) {
    struct combine task = {.ops = ops, .pairs = pairs, .shared = shared, .gate = gate, .routing = &routing, .y = y, .n = n};
    if (m == 1) {
        qk_divide(&task.division, 1, 1, 1);
        combine_work(&task, 0, 1);
    } else {
        qk_divide(&task.division, m, 4, qk_pool_thread_count(pool));
        qk_pool_run(pool, combine_work, &task);
    }
}

struct gating {
    const qk_ops *ops;
    float *x;
    const float *gate;
    int64_t n;
    qk_division division;
};

enum { GATE_FLOATS = 1024 };  // an item

static void gating_work(void *context, int worker, int workers) {
    (void)workers;
    struct gating *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end)) {
        int64_t first = start * GATE_FLOATS, last = end * GATE_FLOATS < task->n ? end * GATE_FLOATS : task->n;
        task->ops->rows->gate(task->x + first, task->gate + first, last - first);
    }
}

void qk_gate(const qk_ops *ops, qk_pool *pool, float *x, const float *gate, int64_t n) {
    struct gating task = {.ops = ops, .x = x, .gate = gate, .n = n};
    int64_t items = (n + GATE_FLOATS - 1) / GATE_FLOATS;
    if (n < 2 * SERIAL_FLOATS) {
        qk_divide(&task.division, items, items, 1);
        gating_work(&task, 0, 1);
    } else {
        qk_divide(&task.division, items, 2, qk_pool_thread_count(pool));
        qk_pool_run(pool, gating_work, &task);
    }
}
