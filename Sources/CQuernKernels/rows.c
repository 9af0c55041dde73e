// Element-wise operations and attention: division of rows among workers, independent of the instruction set.
#include "ops.h"
#include "parallel.h"

enum { SERIAL_FLOATS = 16 * 1024 };

struct rows {
    const qk_ops *ops;
    void (*row)(const struct rows *, int64_t i, int worker);
    const float *a, *b, *c;
    float *y;
    int64_t lda, ldb, ldy, n;
    const int32_t *positions;
    int32_t heads, head_dim;
    float number;
    const qk_token_ref *tokens;
    qk_kv_layer layer;
    float *scratch;
    int64_t scratch_stride;
    qk_division division;
};

static void rows_work(void *context, int worker, int workers) {
    (void)workers;
    struct rows *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t i = start; i < end; i++) task->row(task, i, worker);
}

// Runs `count` rows of about `floats` floats each, on the caller alone when that is too little to share.
static void run_rows(struct rows *task, qk_pool *pool, int64_t count, int64_t floats, int64_t step) {
    if (count * floats < SERIAL_FLOATS) {
        qk_divide(&task->division, count, count, 1);
        rows_work(task, 0, 1);
    } else {
        qk_divide(&task->division, count, step, qk_pool_thread_count(pool));
        qk_pool_run(pool, rows_work, task);
    }
}

static void rmsnorm_row(const struct rows *t, int64_t i, int worker) {
    (void)worker;
    t->ops->rmsnorm_row(t->a + i * t->lda, t->b, t->y + i * t->ldy, t->n, t->number);
}

void qk_rmsnorm(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, const float *weight, float *y, int64_t ldy,
                int64_t m, int64_t n, float epsilon) {
    struct rows task = {.ops = ops, .row = rmsnorm_row, .a = x, .lda = ldx, .b = weight, .y = y, .ldy = ldy, .n = n,
                        .number = epsilon};
    run_rows(&task, pool, m, n, 4);
}

static void rope_row(const struct rows *t, int64_t i, int worker) {
    (void)worker;
    int64_t offset = (int64_t)t->positions[i] * (t->head_dim / 2);
    t->ops->rope_row(t->y + i * t->ldy, t->b + offset, t->c + offset, t->heads, t->head_dim);
}

void qk_rope(const qk_ops *ops, qk_pool *pool, float *x, int64_t ldx, const float *cosine, const float *sine,
             const int32_t *positions, int64_t m, int32_t heads, int32_t head_dim) {
    struct rows task = {.ops = ops, .row = rope_row, .y = x, .ldy = ldx, .b = cosine, .c = sine, .positions = positions,
                        .heads = heads, .head_dim = head_dim};
    run_rows(&task, pool, m, (int64_t)heads * head_dim, 4);
}

static void swiglu_row(const struct rows *t, int64_t i, int worker) {
    (void)worker;
    t->ops->swiglu_row(t->a + i * t->lda, t->b + i * t->lda, t->y + i * t->lda, t->n);
}

void qk_swiglu(const qk_ops *ops, qk_pool *pool, const float *gate, const float *up, float *out, int64_t ld, int64_t m,
               int64_t n) {
    struct rows task = {.ops = ops, .row = swiglu_row, .a = gate, .b = up, .y = out, .lda = ld, .n = n};
    run_rows(&task, pool, m, n, 2);
}

void qk_add(const qk_ops *ops, float *y, const float *x, int64_t n) { ops->add(y, x, n); }

int64_t qk_argmax(const qk_ops *ops, const float *x, int64_t n) { return ops->argmax(x, n); }

static int64_t cache_offset(const qk_kv_layer *layer, qk_token_ref token, int32_t head) {
    return token.block_table[token.position / layer->block_size] * layer->block_stride +
           ((int64_t)head * layer->block_size + token.position % layer->block_size) * layer->head_dim;
}

static void store_row(const struct rows *t, int64_t i, int worker) {
    (void)worker;
    for (int32_t head = 0; head < t->layer.kv_heads; head++) {
        int64_t at = cache_offset(&t->layer, t->tokens[i], head);
        const float *k = t->a + i * t->lda + (int64_t)head * t->layer.head_dim;
        const float *v = t->b + i * t->ldb + (int64_t)head * t->layer.head_dim;
        if (t->layer.is_f16) {
            t->ops->store_half(k, (uint16_t *)t->layer.k + at, t->layer.head_dim);
            t->ops->store_half(v, (uint16_t *)t->layer.v + at, t->layer.head_dim);
        } else {
            for (int32_t d = 0; d < t->layer.head_dim; d++) {
                ((float *)t->layer.k)[at + d] = k[d];
                ((float *)t->layer.v)[at + d] = v[d];
            }
        }
    }
}

void qk_kv_store(const qk_ops *ops, qk_pool *pool, const float *k, int64_t ldk, const float *v, int64_t ldv,
                 const qk_token_ref *tokens, int64_t m, qk_kv_layer layer) {
    struct rows task = {.ops = ops, .row = store_row, .a = k, .lda = ldk, .b = v, .ldb = ldv, .tokens = tokens,
                        .layer = layer};
    run_rows(&task, pool, m, (int64_t)layer.kv_heads * layer.head_dim, 8);
}

// Scores of one block for every head of a group, the running outputs, and one row widened to floats.
static int64_t scratch_floats(int32_t heads, const qk_kv_layer *layer) {
    int64_t group_heads = heads / layer->kv_heads;
    int64_t floats = group_heads * (layer->block_size + layer->head_dim) + layer->head_dim;
    return (floats + 15) / 16 * 16;
}

int64_t qk_attention_scratch_floats(int32_t heads, int32_t kv_heads, int32_t head_dim, int32_t block_size) {
    qk_kv_layer layer = {.kv_heads = kv_heads, .head_dim = head_dim, .block_size = block_size};
    return scratch_floats(heads, &layer);
}

static void attend_row(const struct rows *t, int64_t item, int worker) {
    int64_t i = item / t->layer.kv_heads;
    int32_t head = (int32_t)(item % t->layer.kv_heads);
    int32_t group_heads = t->heads / t->layer.kv_heads;
    int64_t offset = (int64_t)head * group_heads * t->layer.head_dim;
    t->ops->attend(t->a + i * t->lda + offset, t->y + i * t->ldy + offset, t->tokens[i], group_heads, head, &t->layer,
                   t->number, t->scratch + worker * t->scratch_stride);
}

void qk_attention(const qk_ops *ops, qk_pool *pool, const float *q, int64_t ldq, float *out, int64_t ldo,
                  const qk_token_ref *tokens, int64_t m, int32_t heads, qk_kv_layer layer, float scale, float *scratch) {
    struct rows task = {.ops = ops, .row = attend_row, .a = q, .lda = ldq, .y = out, .ldy = ldo, .tokens = tokens,
                        .heads = heads, .layer = layer, .number = scale, .scratch = scratch,
                        .scratch_stride = scratch_floats(heads, &layer)};
    int64_t floats = 0;  // work grows with the position
    for (int64_t i = 0; i < m; i++) floats += (int64_t)(tokens[i].position + 1) * layer.head_dim * heads / layer.kv_heads;
    run_rows(&task, pool, m * layer.kv_heads, floats / m + 1, 1);
}

struct reading {
    const qk_ops *ops;
    const uint64_t *data;
    qk_division division;
    atomic_ullong total;
};

enum { READ_WORDS = 1 << 14 };

static void read_work(void *context, int worker, int workers) {
    (void)workers;
    struct reading *task = context;
    int64_t start, end;
    uint64_t sum = 0;
    while (qk_take(&task->division, worker, &start, &end))
        sum += task->ops->read_sum(task->data + start * READ_WORDS, (size_t)(end - start) * READ_WORDS);
    atomic_fetch_add(&task->total, sum);
}

uint64_t qk_read_sum(const qk_ops *ops, qk_pool *pool, const void *data, size_t n) {
    struct reading task = {.ops = ops, .data = data};
    qk_divide(&task.division, (int64_t)(n / 8 / READ_WORDS), 1, qk_pool_thread_count(pool));
    qk_pool_run(pool, read_work, &task);
    return atomic_load(&task.total);
}
