// Paged attention of a run of tokens of one sequence, compiled per instruction set like rows_template.h.
//
// All query heads of one key head and up to QK_ATTEND_ROWS / group_heads consecutive tokens share every load of K and V: a
// "row" below is one head of one token. K is stored transposed inside its block, so scores of sixteen positions
// come from sixteen lanes without horizontal sums. Invariant: a row's arithmetic (dot products in ascending dimension, online softmax
// over whole blocks in ascending order, values in ascending position) never depends on which rows are beside it; positions
// a row must not see have weight zero, and adding zero changes no bit.
//
// The includer defines ROWS_AT_ONCE and VECTORS: accumulators of so many rows times sixteen positions or columns stay in
// registers, so that neither the loads of K and V nor those of the rows keep the multipliers waiting.
#include "lanes.h"

#define SECOND_CACHE 2  // locality of __builtin_prefetch: the first cache holds hardly more than the block at work

struct QK_NAME(rows_of) {
    int32_t count;
    const float *queries;  // [head_dim, count]; with int8 rotated
    float top[QK_ATTEND_ROWS], mass[QK_ATTEND_ROWS];
    float offset[QK_ATTEND_ROWS];  // with int8: what the block's base key adds to every score
    float *scores;  // [rows, block_size]
    float *sums;    // [rows, head_dim]
};

// What a pass over one block of K or V needs besides its rows.
struct QK_NAME(pass) {
    const void *plane;
    int64_t at;        // element of the block's first value for this head
    const float *scales;  // of the block's positions for this head, or NULL
    int32_t n, size, head_dim;
    float scale;
    const char *ahead;  // what will be read after this block, asked for in step with what is read now
    int64_t stride;     // bytes of it for every vector of this block; 0 when nothing is known to follow
};

static inline __attribute__((always_inline)) f16 QK_NAME(load_kv16)(const struct QK_NAME(pass) *pass, int64_t offset,
                                                                      const qk_kv_format format) {
    int64_t at = pass->at + offset;
    if (format == QK_KV_FLOAT) return load16((const float *)pass->plane + at);
    if (format == QK_KV_HALF) return load_half16((const uint16_t *)pass->plane + at);
    b16 bytes;
    memcpy(&bytes, (const int8_t *)pass->plane + at, sizeof bytes);
    return __builtin_convertvector(bytes, f16);
}

static inline __attribute__((always_inline)) f8 QK_NAME(load_kv8)(const struct QK_NAME(pass) *pass, int64_t offset,
                                                                      const qk_kv_format format) {
    int64_t at = pass->at + offset;
    if (format == QK_KV_FLOAT) return load8((const float *)pass->plane + at);
    if (format == QK_KV_HALF) return load_half8((const uint16_t *)pass->plane + at);
    b8 bytes;
    memcpy(&bytes, (const int8_t *)pass->plane + at, sizeof bytes);
    return __builtin_convertvector(bytes, f8);
}

// scores[row][p] of `rows` rows for all positions below n, rounded up to whole vectors.
static inline __attribute__((always_inline)) void QK_NAME(score)(const struct QK_NAME(rows_of) *r, int first, const int rows,
                                                                 const struct QK_NAME(pass) *pass, const qk_kv_format format) {
    const char *ahead = pass->ahead;
    for (int32_t p = 0; p < pass->n; p += 16 * VECTORS) {
        const float *q = r->queries + first;
        f16 dot[ROWS_AT_ONCE][VECTORS];
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < VECTORS; v++) dot[i][v] = splat16(0.0f);
        for (int32_t d = 0; d < pass->head_dim; d++, q += r->count) {
            __builtin_prefetch(ahead, 0, SECOND_CACHE);
            ahead += VECTORS * pass->stride;
            f16 key[VECTORS];
            for (int v = 0; v < VECTORS; v++) key[v] = QK_NAME(load_kv16)(pass, (int64_t)d * pass->size + p + 16 * v, format);
            for (int i = 0; i < rows; i++)
                for (int v = 0; v < VECTORS; v++) dot[i][v] = fma16(splat16(q[i]), key[v], dot[i][v]);
        }
        for (int v = 0; v < VECTORS; v++) {
            f16 scale = splat16(pass->scale);
            if (format == QK_KV_INT8) scale *= load16(pass->scales + p + 16 * v);
            for (int i = 0; i < rows; i++) {
                f16 score = dot[i][v] * scale;
                if (format == QK_KV_INT8) score += splat16(r->offset[first + i]);
                store16(r->scores + (first + i) * pass->size + p + 16 * v, score);
            }
        }
    }
}

// The columns d...d + 16 * vectors - 1 of gather.
static inline __attribute__((always_inline)) void QK_NAME(gather_columns)(const struct QK_NAME(rows_of) *r, int first,
                                                                          const int rows, const struct QK_NAME(pass) *pass,
                                                                          const qk_kv_format format, int32_t d,
                                                                          const int vectors) {
    const float *weights = r->scores + first * pass->size;
    float *sums = r->sums + first * pass->head_dim + d;
    const char *ahead = pass->ahead + d / 16 * pass->n * pass->stride;
    f16 sum[ROWS_AT_ONCE][VECTORS];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) sum[i][v] = load16(sums + i * pass->head_dim + 16 * v);
    for (int32_t p = 0; p < pass->n; p++) {
        __builtin_prefetch(ahead, 0, SECOND_CACHE);
        ahead += vectors * pass->stride;
        f16 value[VECTORS];
        for (int v = 0; v < vectors; v++) value[v] = QK_NAME(load_kv16)(pass, (int64_t)p * pass->head_dim + d + 16 * v, format);
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++) sum[i][v] = fma16(splat16(weights[i * pass->size + p]), value[v], sum[i][v]);
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) store16(sums + i * pass->head_dim + 16 * v, sum[i][v]);
}

// sums[row][d] += weights[row][p] * v[p][d] over the positions below n.
static inline __attribute__((always_inline)) void QK_NAME(gather)(const struct QK_NAME(rows_of) *r, int first, const int rows,
                                                                  const struct QK_NAME(pass) *pass, const qk_kv_format format) {
    int32_t d = 0;
    for (; d + 16 * VECTORS <= pass->head_dim; d += 16 * VECTORS) QK_NAME(gather_columns)(r, first, rows, pass, format, d, VECTORS);
    for (; d + 16 <= pass->head_dim; d += 16) QK_NAME(gather_columns)(r, first, rows, pass, format, d, 1);
    for (; d < pass->head_dim; d += 8) {
        for (int i = 0; i < rows; i++) {
            f8 sum = load8(r->sums + (first + i) * pass->head_dim + d);
            for (int32_t p = 0; p < pass->n; p++)
                sum = fma8(splat8(r->scores[(first + i) * pass->size + p]),
                           QK_NAME(load_kv8)(pass, (int64_t)p * pass->head_dim + d, format), sum);
            store8(r->sums + (first + i) * pass->head_dim + d, sum);
        }
    }
}

// Runs `step` over all rows from `first` on, at most ROWS_AT_ONCE at a time; the counts are constants in every call.
#define QK_FOR_ROWS(step, r, first, rows, pass, format)                                                     \
    do {                                                                                                   \
        int32_t i_ = first;                                                                                \
        for (; i_ + ROWS_AT_ONCE <= (rows); i_ += ROWS_AT_ONCE) step(r, i_, ROWS_AT_ONCE, pass, format);     \
        switch ((rows)-i_) {                                                                               \
            case 7: if (7 < ROWS_AT_ONCE) step(r, i_, 7, pass, format); break;                             \
            case 6: if (6 < ROWS_AT_ONCE) step(r, i_, 6, pass, format); break;                             \
            case 5: if (5 < ROWS_AT_ONCE) step(r, i_, 5, pass, format); break;                             \
            case 4: if (4 < ROWS_AT_ONCE) step(r, i_, 4, pass, format); break;                             \
            case 3: if (3 < ROWS_AT_ONCE) step(r, i_, 3, pass, format); break;                             \
            case 2: if (2 < ROWS_AT_ONCE) step(r, i_, 2, pass, format); break;                             \
            case 1: if (1 < ROWS_AT_ONCE) step(r, i_, 1, pass, format); break;                             \
        }                                                                                                  \
    } while (0)

static void QK_NAME(score_all)(const struct QK_NAME(rows_of) *r, int32_t first, int32_t rows, const struct QK_NAME(pass) *pass,
                               qk_kv_format format) {
    switch (format) {
        case QK_KV_FLOAT: QK_FOR_ROWS(QK_NAME(score), r, first, rows, pass, QK_KV_FLOAT); break;
        case QK_KV_HALF: QK_FOR_ROWS(QK_NAME(score), r, first, rows, pass, QK_KV_HALF); break;
        case QK_KV_INT8: QK_FOR_ROWS(QK_NAME(score), r, first, rows, pass, QK_KV_INT8); break;
    }
}

static void QK_NAME(gather_all)(const struct QK_NAME(rows_of) *r, int32_t first, int32_t rows, const struct QK_NAME(pass) *pass,
                                qk_kv_format format) {
    switch (format) {
        case QK_KV_FLOAT: QK_FOR_ROWS(QK_NAME(gather), r, first, rows, pass, QK_KV_FLOAT); break;
        case QK_KV_HALF: QK_FOR_ROWS(QK_NAME(gather), r, first, rows, pass, QK_KV_HALF); break;
        case QK_KV_INT8: QK_FOR_ROWS(QK_NAME(gather), r, first, rows, pass, QK_KV_INT8); break;
    }
}

// scores[0..<n] -> e^(score - top), zero from n to `width` (a multiple of sixteen); returns their sum.
static inline float QK_NAME(weigh)(float *scores, int32_t n, int32_t width, float top) {
    f16 sum = {0};
    for (int32_t p = n; p < width; p++) scores[p] = -INFINITY;
    for (int32_t p = 0; p < width; p += 16) {
        f16 weight = exp16(load16(scores + p) - splat16(top));
        store16(scores + p, weight);
        sum += weight;
    }
    return sum16(sum);
}

static inline float QK_NAME(highest)(const float *scores, int32_t n, float top) {
    f16 best = splat16(top);
    int32_t p = 0;
    for (; p + 16 <= n; p += 16) {
        f16 v = load16(scores + p);
        best = select16(v > best, v, best);
    }
    for (int lane = 0; lane < 16; lane++) top = best[lane] > top ? best[lane] : top;
    for (; p < n; p++) top = scores[p] > top ? scores[p] : top;
    return top;
}

static inline int64_t QK_NAME(element_bytes)(const qk_kv_layer *layer) {
    return layer->format == QK_KV_FLOAT ? 4 : layer->format == QK_KV_HALF ? 2 : 1;
}

// Bytes from the beginning of K or V to what a block holds of a head.
static inline int64_t QK_NAME(block_start)(const qk_kv_layer *layer, int32_t block, int32_t kv_head) {
    int64_t elements = block * layer->block_stride + (int64_t)kv_head * layer->block_size * layer->head_dim;
    return elements * QK_NAME(element_bytes)(layer);
}

// Asks for the first n positions of a block at once. Between two layers the whole model has passed through the caches.
static inline void QK_NAME(prefetch_block)(const qk_kv_layer *layer, int32_t block, int32_t kv_head, int32_t n) {
    int64_t width = QK_NAME(element_bytes)(layer), size = layer->block_size, head_dim = layer->head_dim;
    int64_t at = QK_NAME(block_start)(layer, block, kv_head);
    const char *k = (const char *)layer->k + at, *v = (const char *)layer->v + at;
    for (int64_t d = 0; d < head_dim; d++)
        for (int64_t byte = 0; byte < n * width; byte += 64) __builtin_prefetch(k + d * size * width + byte, 0, SECOND_CACHE);
    for (int64_t byte = 0; byte < n * head_dim * width; byte += 64) __builtin_prefetch(v + byte, 0, SECOND_CACHE);
}

// The scores of the block's base key. The rows' queries are given unrotated.
static void QK_NAME(add_base)(struct QK_NAME(rows_of) *r, const float *const *q, int32_t first, int32_t rows, const float *base,
                              int32_t head_dim, float scale) {
    for (int32_t i = first; i < rows; i++) {
        f8 dot = {0};
        for (int32_t d = 0; d < head_dim; d += 8) dot = fma8(load8(q[i] + d), load8(base + d), dot);
        r->offset[i] = sum8(dot) * scale;
    }
}

static void QK_NAME(qk_attend)(const float *q, int64_t ldq, float *out, int64_t ldo, const qk_token_ref *tokens, int32_t count,
                        int32_t group_heads, int32_t kv_head, const qk_kv_layer *layer, float scale, float *scratch) {
    const int32_t head_dim = layer->head_dim, size = layer->block_size, rows = count * group_heads;
    struct QK_NAME(rows_of) r;
    const float *plain[QK_ATTEND_ROWS];
    float *queries = scratch + (int64_t)rows * (size + head_dim);
    r.count = rows;
    r.queries = queries;
    r.scores = scratch;
    r.sums = scratch + (int64_t)rows * size;
    for (int32_t i = 0; i < rows; i++) {
        float query[QK_MAX_HEAD_DIM];
        plain[i] = q + (int64_t)(i / group_heads) * ldq + (int64_t)(i % group_heads) * head_dim;
        memcpy(query, plain[i], (size_t)head_dim * sizeof *q);
        if (layer->format == QK_KV_INT8) qk_rotate_head(query, head_dim);
        for (int32_t d = 0; d < head_dim; d++) queries[(int64_t)d * rows + i] = query[d];
        r.top[i] = -INFINITY;
        r.mass[i] = 0;
    }
    memset(r.sums, 0, (size_t)rows * head_dim * sizeof *r.sums);
    int32_t last = tokens[count - 1].position;
    QK_NAME(prefetch_block)(layer, tokens[0].block_table[0], kv_head, last + 1 < size ? last + 1 : size);
    int32_t unseen = layer->window > 0 && tokens[0].position >= layer->window ? tokens[0].position - layer->window + 1 : 0;
    for (int32_t start = unseen / size * size; start <= last; start += size) {
        int32_t width = last + 1 - start < size ? last + 1 - start : size;
        int32_t skipped = tokens[0].position < start ? (start - tokens[0].position) * group_heads : 0;
        int64_t at = tokens[0].block_table[start / size] * layer->block_stride + (int64_t)kv_head * size * head_dim;
        // What follows: the next block, or the next head's first one. A whole block is asked for in step with this one, for all its
        // lines at once would keep the loads of this one waiting.
        int32_t left = last + 1 - start - size;
        int32_t next = left > 0 ? start + size : unseen / size * size, next_head = left > 0 ? kv_head : kv_head + 1;
        int64_t ahead = 0, stride = 0;
        if (next_head < layer->kv_heads && last + 1 - next >= size) {
            ahead = QK_NAME(block_start)(layer, tokens[0].block_table[next / size], next_head);
            stride = 16 * QK_NAME(element_bytes)(layer);
        } else if (left > 0) {
            QK_NAME(prefetch_block)(layer, tokens[0].block_table[next / size], kv_head, left);
        }
        const float *k_scales = layer->k_scales ? layer->k_scales + at / head_dim : NULL;
        const float *v_scales = layer->v_scales ? layer->v_scales + at / head_dim : NULL;
        struct QK_NAME(pass) keys = {layer->k, at, k_scales, width, size, head_dim,
                                     scale, (const char *)layer->k + ahead, stride};
        if (layer->format == QK_KV_INT8)
            QK_NAME(add_base)(&r, plain, skipped, rows, layer->k_bases + at / size, head_dim, scale);
        QK_NAME(score_all)(&r, skipped, rows, &keys, layer->format);
        for (int32_t i = skipped; i < rows; i++) {
            int32_t seen = tokens[i / group_heads].position + 1 - start;
            int32_t n = seen < size ? seen : size;
            float *scores = r.scores + (int64_t)i * size, *sum = r.sums + (int64_t)i * head_dim;
            if (layer->window > 0 && seen > layer->window) {  // the row's first position lies in this block or behind it
                int32_t hidden = seen - layer->window < n ? seen - layer->window : n;
                for (int32_t p = 0; p < hidden; p++) scores[p] = -INFINITY;
                if (hidden == n) {
                    memset(scores, 0, (size_t)width * sizeof *scores);
                    continue;
                }
            }
            float top = QK_NAME(highest)(scores, n, r.top[i]);
            float shrink = exp8(splat8(r.top[i] - top))[0];
            r.top[i] = top;
            r.mass[i] = r.mass[i] * shrink + QK_NAME(weigh)(scores, n, (width + 15) / 16 * 16, top);
            for (int32_t d = 0; d < head_dim; d += 8) store8(sum + d, load8(sum + d) * splat8(shrink));
            if (v_scales)
                for (int32_t p = 0; p < n; p++) scores[p] *= v_scales[p];
        }
        struct QK_NAME(pass) values = {layer->v, at, v_scales, width, size, head_dim,
                                       scale, (const char *)layer->v + ahead, stride};
        QK_NAME(gather_all)(&r, skipped, rows, &values, layer->format);
    }
    for (int32_t i = 0; i < rows; i++) {
        f8 inverse = splat8(1.0f / r.mass[i]);
        float *to = out + (int64_t)(i / group_heads) * ldo + (int64_t)(i % group_heads) * head_dim;
        for (int32_t d = 0; d < head_dim; d += 8) store8(to + d, load8(r.sums + (int64_t)i * head_dim + d) * inverse);
    }
}
