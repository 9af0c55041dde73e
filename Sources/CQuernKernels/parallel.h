// How an operation's items are divided among workers: a contiguous region each, then help where work is left.
//
// No item is ever split, so which worker computes it never changes a bit.
#ifndef QUERN_PARALLEL_H
#define QUERN_PARALLEL_H

#include <stdatomic.h>
#include <stdint.h>

#include "quern_kernels.h"

enum { QK_MAX_REGIONS = 64 };

// Items 0..<count in regions, one per worker, each with its own cursor on its own cache line.
typedef struct {
    int64_t count;
    int64_t step;   // items taken at once
    int regions;
    struct {
        _Alignas(64) atomic_int_least64_t next;
        int64_t end;
    } region[QK_MAX_REGIONS];
} qk_division;

static inline void qk_divide(qk_division *division, int64_t count, int64_t step, int workers) {
    int regions = workers < QK_MAX_REGIONS ? workers : QK_MAX_REGIONS;
    division->count = count;
    division->step = step < 1 ? 1 : step;
    division->regions = regions;
    for (int i = 0; i < regions; i++) {
        atomic_store_explicit(&division->region[i].next, count * i / regions, memory_order_relaxed);
        division->region[i].end = count * (i + 1) / regions;
    }
}

// Takes the next run of items for `worker`; 0 when nothing is left anywhere.
static inline int qk_take(qk_division *division, int worker, int64_t *start, int64_t *end) {
    for (int i = 0; i < division->regions; i++) {
        int index = (worker + i) % division->regions;
        int64_t limit = division->region[index].end;
        if (atomic_load_explicit(&division->region[index].next, memory_order_relaxed) >= limit) continue;
        int64_t taken = atomic_fetch_add_explicit(&division->region[index].next, division->step, memory_order_relaxed);
        if (taken >= limit) continue;
        *start = taken;
        *end = taken + division->step < limit ? taken + division->step : limit;
        return 1;
    }
    return 0;
}

#endif
