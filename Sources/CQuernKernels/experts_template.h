// What chooses, weighs and gates, compiled per instruction set like rows_template.h.
#include "lanes.h"

enum { DOTS_AT_ONCE = 4 };

static inline __attribute__((always_inline)) void QK_NAME(some_dots)(const float *w, const int count, int64_t n, const float *x,
                                                                     float *y) {
    f16 sum[DOTS_AT_ONCE];
    for (int r = 0; r < count; r++) sum[r] = splat16(0.0f);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        f16 v = load16(x + i);
        for (int r = 0; r < count; r++) sum[r] = fma16(load16(w + r * n + i), v, sum[r]);
    }
    for (int r = 0; r < count; r++) {
        y[r] = sum16(sum[r]);
        for (int64_t j = i; j < n; j++) y[r] = fmaf(w[r * n + j], x[j], y[r]);
    }
}

static void QK_NAME(float_dots)(const float *w, int64_t rows, int64_t n, const float *x, float *y) {
    int64_t r = 0;
    for (; r + DOTS_AT_ONCE <= rows; r += DOTS_AT_ONCE) QK_NAME(some_dots)(w + r * n, DOTS_AT_ONCE, n, x, y + r);
    for (; r < rows; r++) QK_NAME(some_dots)(w + r * n, 1, n, x, y + r);
}

static void QK_NAME(scaled_add)(float *y, const float *x, float weight, int64_t n) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) store16(y + i, fma16(splat16(weight), load16(x + i), load16(y + i)));
    for (; i < n; i++) y[i] = fmaf(weight, x[i], y[i]);
}

static void QK_NAME(softmax)(float *x, int64_t n) {
    float top = -INFINITY;
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    f8 sum = {0};
    for (int64_t i = 0; i < n; i += 8) {
        int64_t count = n - i < 8 ? n - i : 8;
        f8 v = splat8(-INFINITY);
        memcpy(&v, x + i, (size_t)count * sizeof *x);
        v = exp8(v - splat8(top));
        sum += v;
        store_tail(x + i, v, count);
    }
    float total = sum8(sum);
    for (int64_t i = 0; i < n; i++) x[i] /= total;
}

static void QK_NAME(gate)(float *x, const float *gate, int64_t n) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) store16(x + i, load16(x + i) / (splat16(1.0f) + exp16(-load16(gate + i))));
    for (; i < n; i += 8) {
        int64_t count = n - i < 8 ? n - i : 8;
        store_tail(x + i, load_tail(x + i, count) / (splat8(1.0f) + exp8(-load_tail(gate + i, count))), count);
    }
}
