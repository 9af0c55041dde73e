// The worker pool: threads that run one function together and wait for the next.
//
// Waiting spins for some tens of microseconds, the usual gap between two regions of a forward pass, and then sleeps on a
// futex: on a small machine a spinning worker would take the processor from the threads that serve sockets.
//
// A region lasts until its slowest worker is done. When another process takes a worker's processor for good, regions wait for
// the scheduler, and two threads are slower than one. The caller adds up what it loses by waiting and works alone for a while
// when that is a large part of its time; since work is shared by taking items, one worker can do all of it and no bit changes.
// Short disturbances, such as the thread that serves sockets, cost less than working alone would and change nothing.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "quern_kernels.h"

enum {
    SPINS = 2000,
    LATE_NANOSECONDS = 200 * 1000,  // a wait this much longer than half the caller's own work means a lost processor
    WINDOW_NANOSECONDS = 20 * 1000 * 1000,  // time worked together after which the loss is judged
    SOLO_FIRST = 40 * 1000 * 1000,          // nanoseconds alone after a bad window; twice as long after each further one
    SOLO_MOST = 640 * 1000 * 1000,
};

struct qk_pool {
    int threads;
    void (*work)(void *, int, int);
    void *context;
    int stop;
    int64_t solo_until;         // on the monotonic clock: the caller works alone before
    int64_t solo_length;        // how long it will be after the next bad window
    int64_t together, lost;     // of this window: time spent, and how much of it waiting for late workers
    pthread_t *handles;
    _Alignas(64) atomic_uint epoch;      // changes when there is work
    _Alignas(64) atomic_uint remaining;  // workers that have not finished
    _Alignas(64) atomic_uint sleepers;   // workers inside futex_wait on epoch
    _Alignas(64) atomic_uint waiting;    // the caller is inside futex_wait on remaining
};

struct worker {
    qk_pool *pool;
    int index;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(atomic_uint *word, unsigned expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void wait_for_work(qk_pool *pool, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->epoch, memory_order_acquire) != seen) return;
        relax();
    }
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->epoch) == seen) futex_wait(&pool->epoch, seen);
    atomic_fetch_sub(&pool->sleepers, 1);
}

static void *worker_main(void *argument) {
    struct worker self = *(struct worker *)argument;
    free(argument);
    qk_pool *pool = self.pool;
    unsigned seen = 0;
    for (;;) {
        wait_for_work(pool, seen);
        seen++;
        if (pool->stop) return NULL;
        pool->work(pool->context, self.index, pool->threads);
        if (atomic_fetch_sub(&pool->remaining, 1) == 1 && atomic_load(&pool->waiting)) futex_wake(&pool->remaining, 1);
    }
}

static void start(qk_pool *pool) {
    atomic_store(&pool->remaining, (unsigned)(pool->threads - 1));
    atomic_fetch_add(&pool->epoch, 1);
    if (atomic_load(&pool->sleepers)) futex_wake(&pool->epoch, pool->threads);
}

static void wait_for_workers(qk_pool *pool) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->remaining, memory_order_acquire) == 0) return;
        relax();
    }
    atomic_store(&pool->waiting, 1);
    unsigned left;
    while ((left = atomic_load(&pool->remaining)) != 0) futex_wait(&pool->remaining, left);
    atomic_store(&pool->waiting, 0);
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// One thread reads memory at more than half the speed of two, so that alone is faster once waiting takes a quarter of the time.
static void judge(qk_pool *pool, int64_t worked, int64_t waited, int64_t now) {
    pool->together += worked + waited;
    if (waited > worked / 2 + LATE_NANOSECONDS) pool->lost += waited;
    if (pool->together < WINDOW_NANOSECONDS) return;
    if (4 * pool->lost > pool->together) {
        pool->solo_until = now + pool->solo_length;
        if (pool->solo_length < SOLO_MOST) pool->solo_length *= 2;
    } else if (pool->solo_length > SOLO_FIRST) {
        pool->solo_length /= 2;
    }
    pool->together = pool->lost = 0;
}

void qk_pool_run(qk_pool *pool, void (*work)(void *, int, int), void *context) {
    if (pool->threads == 1) {
        work(context, 0, 1);
        return;
    }
    pool->work = work;
    pool->context = context;
    int64_t begin = nanoseconds();
    if (begin < pool->solo_until) {
        work(context, 0, pool->threads);
        return;
    }
    start(pool);
    work(context, 0, pool->threads);
    int64_t middle = nanoseconds();
    wait_for_workers(pool);
    int64_t end = nanoseconds();
    judge(pool, middle - begin, end - middle, end);
}

qk_pool *qk_pool_create(int threads) {
    if (threads < 1) return NULL;
    qk_pool *pool = aligned_alloc(64, (sizeof(qk_pool) + 63) / 64 * 64);
    if (!pool) return NULL;
    *pool = (qk_pool){.threads = 1, .solo_length = SOLO_FIRST};
    pool->handles = calloc((size_t)threads, sizeof(pthread_t));
    if (!pool->handles) {
        free(pool);
        return NULL;
    }
    for (int i = 1; i < threads; i++) {
        struct worker *self = malloc(sizeof *self);
        if (self) *self = (struct worker){pool, i};
        if (!self || pthread_create(&pool->handles[i], NULL, worker_main, self) != 0) {
            free(self);
            break;
        }
        pthread_setname_np(pool->handles[i], "quern.kernels");
        pool->threads = i + 1;  // no worker reads this before the first epoch
    }
    return pool;
}

void qk_pool_destroy(qk_pool *pool) {
    if (!pool) return;
    pool->stop = 1;
    start(pool);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->handles[i], NULL);
    free(pool->handles);
    free(pool);
}

int qk_pool_thread_count(const qk_pool *pool) { return pool->threads; }

int qk_affinity_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}
