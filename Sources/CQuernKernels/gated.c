// silu(gate(x)) * up(x), quantised for the down projection, in one region: no barrier stands between the steps.
#include "gated.h"
#include "parallel.h"

struct gated {
    const qk_ops *ops;
    qk_activations x, out;
    int64_t m;
    const qk_matmul_job *gate, *up;
    qk_division division;
};

static void gated_work(void *context, int worker, int workers) {
    (void)workers;
    struct gated *task = context;
    int64_t start, end;
    qk_begin_products(task->ops, task->gate->weights.group);
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t group = start; group < end; group++)
            qk_gate_group(task->ops, task->x, task->gate, task->up, group, 0, task->m, task->out);
    qk_end_products(task->ops);
}

void qk_q8_gated(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, const qk_matmul_job *gate,
                 const qk_matmul_job *up, qk_activations out) {
    struct gated task = {.ops = ops, .x = x, .out = out, .m = m, .gate = gate, .up = up};
    const qk_q8_matrix *w = &gate->weights;
    qk_divide(&task.division, (w->rows + w->group - 1) / w->group, 1, qk_pool_thread_count(pool));
    qk_pool_run(pool, gated_work, &task);
}
