// A Gated DeltaNet layer between its projections: what is done per token, then what is done per sequence and head.
//
// Owns: the order of the steps and their division among workers. Does not own: the arithmetic (deltanet_template.h).
// Invariant: an item is one token, then one head of one run, so no division changes a bit.
#include <math.h>
#include <string.h>

#include "ops.h"
#include "parallel.h"

#pragma clang fp contract(off)

struct deltanet {
    const qk_ops *ops;
    const qk_deltanet *layer;
    const qk_run *runs;
    int32_t run_count;
    qk_deltanet_step step;
    int64_t key_width, value_width, width;
    qk_division division;
};

int64_t qk_deltanet_state_floats(const qk_deltanet *layer) {
    int64_t width = 2 * (int64_t)layer->key_heads * layer->key_dim + (int64_t)layer->value_heads * layer->value_dim;
    return (int64_t)layer->value_heads * layer->key_dim * layer->value_dim + (layer->convolution - 1) * width;
}

// The inputs that the convolution still needs, oldest first, behind the states of the heads.
static float *past_inputs(const struct deltanet *t, const qk_run *run) {
    return run->state + (int64_t)t->layer->value_heads * t->layer->key_dim * t->layer->value_dim;
}

// Row `index` of a run's inputs; negative ones are the past's.
static const float *input_row(const struct deltanet *t, const qk_run *run, int64_t index) {
    if (index >= 0) return t->step.qkv + (run->first + index) * t->width;
    return past_inputs(t, run) + (t->layer->convolution - 1 + index) * t->width;
}

static float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }

// Convolution, normalised queries and keys, gates.
static void prepare_token(const struct deltanet *t, int64_t token) {
    const qk_deltanet *layer = t->layer;
    const qk_run *run = t->runs;
    while (token >= run->first + run->count) run++;
    const float *inputs[8];
    for (int32_t j = 0; j < layer->convolution; j++)
        inputs[j] = input_row(t, run, token - run->first - (layer->convolution - 1) + j);
    float *mixed = t->step.mixed + token * t->width;
    t->ops->rows->convolve_row(inputs, layer->weights, layer->convolution, t->width, mixed);
    float scale = 1.0f / sqrtf((float)layer->key_dim);
    for (int32_t head = 0; head < layer->key_heads; head++) {
        t->ops->rows->normalize_head(mixed + head * layer->key_dim, layer->key_dim, scale);
        t->ops->rows->normalize_head(mixed + t->key_width + head * layer->key_dim, layer->key_dim, 1.0f);
    }
    for (int32_t head = 0; head < layer->value_heads; head++) {
        float *gates = t->step.gates + (token * layer->value_heads + head) * 2;
        float b = t->step.b[token * layer->value_heads + head], a = t->step.a[token * layer->value_heads + head];
        gates[0] = 1.0f / (1.0f + expf(-b));
        gates[1] = expf(layer->rates[head] * softplus(a + layer->dt_bias[head]));
    }
}

// Keeps the last inputs of a run, for the channels that fall to `head`.
static void keep_inputs(const struct deltanet *t, const qk_run *run, int32_t head) {
    int64_t rows = t->layer->convolution - 1;
    int64_t first = t->width * head / t->layer->value_heads, end = t->width * (head + 1) / t->layer->value_heads;
    for (int64_t row = 0; row < rows; row++)
        memcpy(past_inputs(t, run) + row * t->width + first, input_row(t, run, run->count - rows + row) + first,
               (size_t)(end - first) * sizeof(float));
}

static void run_head(const struct deltanet *t, const qk_run *run, int32_t head) {
    const qk_deltanet *layer = t->layer;
    int32_t key_head = layer->tiled ? head % layer->key_heads : head / (layer->value_heads / layer->key_heads);
    const float *mixed = t->step.mixed + run->first * t->width;
    int64_t at = run->first * t->value_width + (int64_t)head * layer->value_dim;
    qk_delta_head task = {
        .q = mixed + key_head * layer->key_dim,
        .k = mixed + t->key_width + key_head * layer->key_dim,
        .v = mixed + 2 * t->key_width + head * layer->value_dim,
        .ldv = t->width,
        .gates = t->step.gates + ((int64_t)run->first * layer->value_heads + head) * 2,
        .ldg = 2 * layer->value_heads,
        .z = t->step.z + at,
        .out = t->step.out + at,
        .ldo = t->value_width,
        .norm = layer->norm,
        .epsilon = layer->epsilon,
        .state = run->state + (int64_t)head * layer->key_dim * layer->value_dim,
        .count = run->count,
        .key_dim = layer->key_dim,
        .value_dim = layer->value_dim,
    };
    t->ops->rows->delta_head(&task);
    keep_inputs(t, run, head);
}

static void prepare_work(void *context, int worker, int workers) {
    (void)workers;
    struct deltanet *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t token = start; token < end; token++) prepare_token(task, token);
}

static void head_work(void *context, int worker, int workers) {
    (void)workers;
    struct deltanet *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t item = start; item < end; item++)
            run_head(task, task->runs + item / task->layer->value_heads, (int32_t)(item % task->layer->value_heads));
}

void qk_deltanet_forward(const qk_ops *ops, qk_pool *pool, const qk_deltanet *layer, const qk_run *runs, int32_t run_count,
                         qk_deltanet_step step) {
    struct deltanet task = {.ops = ops, .layer = layer, .runs = runs, .run_count = run_count, .step = step};
    task.key_width = (int64_t)layer->key_heads * layer->key_dim;
    task.value_width = (int64_t)layer->value_heads * layer->value_dim;
    task.width = 2 * task.key_width + task.value_width;
    int64_t tokens = 0;
    for (int32_t i = 0; i < run_count; i++) tokens += runs[i].count;
    int workers = qk_pool_thread_count(pool);
    if (tokens == 1) {
        prepare_token(&task, 0);
    } else {
        qk_divide(&task.division, tokens, 4, workers);
        qk_pool_run(pool, prepare_work, &task);
    }
    qk_divide(&task.division, (int64_t)run_count * layer->value_heads, 1, workers);
    qk_pool_run(pool, head_work, &task);
}
