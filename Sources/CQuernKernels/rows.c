// Element-wise operations: division of rows among workers, independent of the instruction set.
#include "ops.h"
#include "parallel.h"

enum { SERIAL_FLOATS = 4 * 1024 };

struct rows {
    const qk_ops *ops;
    void (*row)(const struct rows *, int64_t i, int worker);
    const float *a, *b, *c;
    float *y;
    int64_t lda, ldb, ldy, n;
    const int32_t *positions;
    int32_t heads, head_dim, rotary_dim;
    float number;
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
    t->ops->rows->rmsnorm_row(t->a + i * t->lda, t->b, t->y + i * t->ldy, t->n, t->number);
}

void qk_rmsnorm(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, const float *weight, float *y, int64_t ldy,
                int64_t m, int64_t n, float epsilon) {
    struct rows task = {.ops = ops, .row = rmsnorm_row, .a = x, .lda = ldx, .b = weight, .y = y, .ldy = ldy, .n = n,
                        .number = epsilon};
    run_rows(&task, pool, m, n, 4);
}

static void rope_row(const struct rows *t, int64_t i, int worker) {
    (void)worker;
    int64_t offset = (int64_t)t->positions[i] * (t->rotary_dim / 2);
    t->ops->rows->rope_row(t->y + i * t->ldy, t->b + offset, t->c + offset, t->heads, t->head_dim, t->rotary_dim);
}

void qk_rope(const qk_ops *ops, qk_pool *pool, float *x, int64_t ldx, const float *cosine, const float *sine,
             const int32_t *positions, int64_t m, int32_t heads, int32_t head_dim, int32_t rotary_dim) {
    struct rows task = {.ops = ops, .row = rope_row, .y = x, .ldy = ldx, .b = cosine, .c = sine, .positions = positions,
                        .heads = heads, .head_dim = head_dim, .rotary_dim = rotary_dim};
    run_rows(&task, pool, m, (int64_t)heads * head_dim, 4);
}

static void swiglu_row(const struct rows *t, int64_t i, int worker) {
    (void)worker;
    t->ops->rows->swiglu_row(t->a + i * t->lda, t->b + i * t->lda, t->y + i * t->lda, t->n);
}

void qk_swiglu(const qk_ops *ops, qk_pool *pool, const float *gate, const float *up, float *out, int64_t ld, int64_t m,
               int64_t n) {
    struct rows task = {.ops = ops, .row = swiglu_row, .a = gate, .b = up, .y = out, .lda = ld, .n = n};
    run_rows(&task, pool, m, n, 2);
}

void qk_add(const qk_ops *ops, float *y, const float *x, int64_t n) { ops->rows->add(y, x, n); }

int64_t qk_argmax(const qk_ops *ops, const float *x, int64_t n) { return ops->rows->argmax(x, n); }

int64_t qk_first_at_least(const qk_ops *ops, const float *x, int64_t start, int64_t n, float floor) {
    return ops->rows->first_at_least(x, start, n, floor);
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
        sum += task->ops->rows->read_sum(task->data + start * READ_WORDS, (size_t)(end - start) * READ_WORDS);
    atomic_fetch_add(&task->total, sum);
}

uint64_t qk_read_sum(const qk_ops *ops, qk_pool *pool, const void *data, size_t n) {
    struct reading task = {.ops = ops, .data = data};
    qk_divide(&task.division, (int64_t)(n / 8 / READ_WORDS), 1, qk_pool_thread_count(pool));
    qk_pool_run(pool, read_work, &task);
    return atomic_load(&task.total);
}
