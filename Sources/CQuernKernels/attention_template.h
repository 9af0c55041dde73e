// Paged attention of a run of tokens of one sequence, compiled per instruction set like rows_template.h.
//
// All query heads of one key head and up to QK_ATTEND_ROWS / group_heads consecutive tokens share every load of K and V: a
// "row" below is one head of one token. K is stored transposed inside its block, so scores of eight positions come from
// eight lanes without horizontal sums. Invariant: a row's arithmetic (dot products in ascending dimension, online softmax
// over whole blocks in ascending order, values in ascending position) never depends on which rows are beside it; positions
// a row must not see have weight zero, and adding zero changes no bit.
#include "f8.h"

enum {
    ROWS_AT_ONCE = 4,     // rows whose accumulators stay in registers
    VECTORS_AT_ONCE = 2,
};

struct QK_NAME(rows_of) {
    const float *q[QK_ATTEND_ROWS];
    float top[QK_ATTEND_ROWS], mass[QK_ATTEND_ROWS];
    float *scores;  // [rows, block_size]
    float *sums;    // [rows, head_dim]
};

static inline f8 QK_NAME(load_kv)(const void *plane, int64_t at, int is_f16) {
    return is_f16 ? load_half8((const uint16_t *)plane + at) : load8((const float *)plane + at);
}

// scores[row][p...] of `rows` rows and `vectors` * 8 positions.
static inline __attribute__((always_inline)) void QK_NAME(score)(struct QK_NAME(rows_of) *r, int first, const int rows,
                                                                 const int vectors, const void *k, int64_t at, int is_f16,
                                                                 int32_t p, int32_t size, int32_t head_dim, float scale) {
    f8 dot[ROWS_AT_ONCE][VECTORS_AT_ONCE];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) dot[i][v] = splat8(0.0f);
    for (int32_t d = 0; d < head_dim; d++) {
        f8 key[VECTORS_AT_ONCE];
        for (int v = 0; v < vectors; v++) key[v] = QK_NAME(load_kv)(k, at + (int64_t)d * size + p + v * 8, is_f16);
        for (int i = 0; i < rows; i++) {
            f8 q = splat8(r->q[first + i][d]);
            for (int v = 0; v < vectors; v++) dot[i][v] = fma8(q, key[v], dot[i][v]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) store8(r->scores + (first + i) * size + p + v * 8, dot[i][v] * splat8(scale));
}

static inline __attribute__((always_inline)) void QK_NAME(score_rows)(struct QK_NAME(rows_of) *r, int first, const int rows,
                                                                      const void *k, int64_t at, int is_f16, int32_t n,
                                                                      int32_t size, int32_t head_dim, float scale) {
    int32_t p = 0;
    for (; p + 8 * VECTORS_AT_ONCE <= n; p += 8 * VECTORS_AT_ONCE)
        QK_NAME(score)(r, first, rows, VECTORS_AT_ONCE, k, at, is_f16, p, size, head_dim, scale);
    for (; p < n; p += 8) QK_NAME(score)(r, first, rows, 1, k, at, is_f16, p, size, head_dim, scale);
}

// sums[row][d...] += weights[row][p] * v[p][d...] over n positions.
static inline __attribute__((always_inline)) void QK_NAME(gather)(struct QK_NAME(rows_of) *r, int first, const int rows,
                                                                  const int vectors, const void *v, int64_t at, int is_f16,
                                                                  int32_t n, int32_t size, int32_t head_dim, int32_t d) {
    f8 sum[ROWS_AT_ONCE][VECTORS_AT_ONCE];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = load8(r->sums + (first + i) * head_dim + d + j * 8);
    for (int32_t p = 0; p < n; p++) {
        f8 value[VECTORS_AT_ONCE];
        for (int j = 0; j < vectors; j++) value[j] = QK_NAME(load_kv)(v, at + (int64_t)p * head_dim + d + j * 8, is_f16);
        for (int i = 0; i < rows; i++) {
            f8 weight = splat8(r->scores[(first + i) * size + p]);
            for (int j = 0; j < vectors; j++) sum[i][j] = fma8(weight, value[j], sum[i][j]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) store8(r->sums + (first + i) * head_dim + d + j * 8, sum[i][j]);
}

static inline __attribute__((always_inline)) void QK_NAME(gather_rows)(struct QK_NAME(rows_of) *r, int first, const int rows,
                                                                       const void *v, int64_t at, int is_f16, int32_t n,
                                                                       int32_t size, int32_t head_dim) {
    int32_t d = 0;
    for (; d + 8 * VECTORS_AT_ONCE <= head_dim; d += 8 * VECTORS_AT_ONCE)
        QK_NAME(gather)(r, first, rows, VECTORS_AT_ONCE, v, at, is_f16, n, size, head_dim, d);
    for (; d < head_dim; d += 8) QK_NAME(gather)(r, first, rows, 1, v, at, is_f16, n, size, head_dim, d);
}

// scores[0..<n] -> e^(score - top), zero from n to `width`; returns their sum.
static inline float QK_NAME(weigh)(float *scores, int32_t n, int32_t width, float top) {
    f8 sum = {0};
    for (int32_t p = n; p < width; p++) scores[p] = -INFINITY;
    for (int32_t p = 0; p < width; p += 8) {
        f8 e = exp8(load8(scores + p) - splat8(top));
        store8(scores + p, e);
        sum += e;
    }
    return sum8(sum);
}

static inline float QK_NAME(highest)(const float *scores, int32_t n, float top) {
    f8 best = splat8(top);
    int32_t p = 0;
    for (; p + 8 <= n; p += 8) {
        f8 v = load8(scores + p);
        best = select8(v > best, v, best);
    }
    for (int lane = 0; lane < 8; lane++) top = best[lane] > top ? best[lane] : top;
    for (; p < n; p++) top = scores[p] > top ? scores[p] : top;
    return top;
}

static void QK_NAME(qk_attend)(const float *q, int64_t ldq, float *out, int64_t ldo, const qk_token_ref *tokens, int32_t count,
                        int32_t group_heads, int32_t kv_head, const qk_kv_layer *layer, float scale, float *scratch) {
    const int32_t head_dim = layer->head_dim, size = layer->block_size, rows = count * group_heads;
    const int is_f16 = layer->is_f16;
    struct QK_NAME(rows_of) r;
    r.scores = scratch;
    r.sums = scratch + (int64_t)rows * size;
    for (int32_t i = 0; i < rows; i++) {
        r.q[i] = q + (int64_t)(i / group_heads) * ldq + (int64_t)(i % group_heads) * head_dim;
        r.top[i] = -INFINITY;
        r.mass[i] = 0;
    }
    memset(r.sums, 0, (size_t)rows * head_dim * sizeof *r.sums);
    int32_t last = tokens[count - 1].position;
    for (int32_t start = 0; start <= last; start += size) {
        int32_t width = last + 1 - start < size ? last + 1 - start : size;
        int32_t skipped = tokens[0].position < start ? (start - tokens[0].position) * group_heads : 0;
        int64_t at = tokens[0].block_table[start / size] * layer->block_stride + (int64_t)kv_head * size * head_dim;
        int32_t i = skipped;
        for (; i + ROWS_AT_ONCE <= rows; i += ROWS_AT_ONCE)
            QK_NAME(score_rows)(&r, i, ROWS_AT_ONCE, layer->k, at, is_f16, width, size, head_dim, scale);
        switch (rows - i) {
            case 3: QK_NAME(score_rows)(&r, i, 3, layer->k, at, is_f16, width, size, head_dim, scale); break;
            case 2: QK_NAME(score_rows)(&r, i, 2, layer->k, at, is_f16, width, size, head_dim, scale); break;
            case 1: QK_NAME(score_rows)(&r, i, 1, layer->k, at, is_f16, width, size, head_dim, scale); break;
        }
        for (i = skipped; i < rows; i++) {
            int32_t seen = tokens[i / group_heads].position + 1 - start;
            int32_t n = seen < size ? seen : size;
            float *scores = r.scores + (int64_t)i * size, *sum = r.sums + (int64_t)i * head_dim;
            float top = QK_NAME(highest)(scores, n, r.top[i]);
            float shrink = exp8(splat8(r.top[i] - top))[0];
            r.top[i] = top;
            r.mass[i] = r.mass[i] * shrink + QK_NAME(weigh)(scores, n, (width + 7) / 8 * 8, top);
            for (int32_t d = 0; d < head_dim; d += 8) store8(sum + d, load8(sum + d) * splat8(shrink));
        }
        i = skipped;
        for (; i + ROWS_AT_ONCE <= rows; i += ROWS_AT_ONCE)
            QK_NAME(gather_rows)(&r, i, ROWS_AT_ONCE, layer->v, at, is_f16, width, size, head_dim);
        switch (rows - i) {
            case 3: QK_NAME(gather_rows)(&r, i, 3, layer->v, at, is_f16, width, size, head_dim); break;
            case 2: QK_NAME(gather_rows)(&r, i, 2, layer->v, at, is_f16, width, size, head_dim); break;
            case 1: QK_NAME(gather_rows)(&r, i, 1, layer->v, at, is_f16, width, size, head_dim); break;
        }
    }
    for (int32_t i = 0; i < rows; i++) {
        f8 inverse = splat8(1.0f / r.mass[i]);
        float *to = out + (int64_t)(i / group_heads) * ldo + (int64_t)(i % group_heads) * head_dim;
        for (int32_t d = 0; d < head_dim; d += 8) store8(to + d, load8(r.sums + (int64_t)i * head_dim + d) * inverse);
    }
}
