// Probes of what the processor could do at most: its clock and its exact integer multiply rate, on registers only.
#include "ops.h"
#include "parallel.h"

// Dependent additions take one cycle each on every processor quern knows.
int64_t qk_probe_cycles(int64_t rounds) {
    enum { PER_ROUND = 16 };
    uint64_t x = 1;
    for (int64_t i = 0; i < rounds; i++) {
#if defined(__x86_64__)
        __asm__ volatile(
            "add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n"
            "add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n"
            : "+r"(x));
#elif defined(__aarch64__)
        __asm__ volatile(
            "add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n"
            "add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n"
            "add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n"
            "add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n add %0, %0, %0\n"
            : "+r"(x));
#else
        for (int j = 0; j < PER_ROUND; j++) x = x * 3 + 1;
#endif
    }
    return rounds * PER_ROUND + (int64_t)(x == 12345);
}

struct multiply {
    const qk_ops *ops;
    int64_t rounds;
    _Atomic int64_t total;
};

static void multiply_work(void *context, int worker, int workers) {
    (void)worker, (void)workers;
    struct multiply *task = context;
    atomic_fetch_add(&task->total, task->ops->linear->multiply_wall(task->rounds));
}

int64_t qk_probe_multiply(const qk_ops *ops, qk_pool *pool, int64_t rounds) {
    struct multiply task = {.ops = ops, .rounds = rounds};
    if (!ops->linear->multiply_wall) return 0;
    qk_pool_run(pool, multiply_work, &task);
    return atomic_load(&task.total);
}
