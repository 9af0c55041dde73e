// The paged KV cache and attention: where a token's keys lie, and the division of work among workers.
//
// Keys of a block are transposed, [head_dim, block_size] per head; values are [block_size, head_dim].
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "ops.h"
#include "parallel.h"

#pragma clang fp contract(off)

enum { SERIAL_FLOATS = 4 * 1024 };

struct store {
    const qk_ops *ops;
    const float *k, *v;
    int64_t ldk, ldv;
    const qk_token_ref *tokens;
    qk_kv_layer layer;
    qk_division division;
};

// x as integers; returns their scale, NaN when x is not finite.
static float quantize_head(const float *x, int64_t n, int8_t *out) {
    float top = 0;
    for (int64_t d = 0; d < n; d++) {
        if (!(fabsf(x[d]) <= 3.0e38f)) {
            memset(out, 0, (size_t)n);
            return NAN;
        }
        top = fmaxf(top, fabsf(x[d]));
    }
    float inverse = top > 1e-30f ? 127.0f / top : 0.0f;
    for (int64_t d = 0; d < n; d++) out[d] = (int8_t)rintf(x[d] * inverse);
    return top / 127.0f;
}

// The first key of token i's block for one head: of this step, or of the cache. Another worker may just be storing it.
static const float *base_key(const struct store *t, int64_t i, int32_t head, int64_t at) {
    qk_token_ref token = t->tokens[i];
    int64_t place = token.position % t->layer.block_size, first = i - place;
    if (first >= 0 && t->tokens[first].block_table == token.block_table && t->tokens[first].position == token.position - place)
        return t->k + first * t->ldk + head * t->layer.head_dim;
    return t->layer.k_bases + at / t->layer.block_size;
}

static void store_int8(const struct store *t, int64_t i, int32_t head, int64_t at, int64_t place, const float *k, const float *v) {
    const qk_kv_layer *layer = &t->layer;
    int64_t size = layer->block_size, head_dim = layer->head_dim, scale = at / head_dim + place;
    const float *base = base_key(t, i, head, at);
    int8_t key[QK_MAX_HEAD_DIM];
    float rest[QK_MAX_HEAD_DIM];
    for (int64_t d = 0; d < head_dim; d++) rest[d] = k[d] - base[d];
    if (place == 0) memcpy(layer->k_bases + at / size, k, (size_t)head_dim * sizeof *k);
    qk_rotate_head(rest, head_dim);
    layer->k_scales[scale] = quantize_head(rest, head_dim, key);
    layer->v_scales[scale] = quantize_head(v, head_dim, (int8_t *)layer->v + at + place * head_dim);
    for (int64_t d = 0; d < head_dim; d++) ((int8_t *)layer->k)[at + d * size + place] = key[d];
}

static void store_token(const struct store *t, int64_t i) {
    const qk_kv_layer *layer = &t->layer;
    int64_t size = layer->block_size, head_dim = layer->head_dim;
    qk_token_ref token = t->tokens[i];
    int64_t place = token.position % size;
    for (int32_t head = 0; head < layer->kv_heads; head++) {
        int64_t at = token.block_table[token.position / size] * layer->block_stride + head * size * head_dim;
        const float *k = t->k + i * t->ldk + head * head_dim, *v = t->v + i * t->ldv + head * head_dim;
        if (layer->format == QK_KV_INT8) {
            store_int8(t, i, head, at, place, k, v);
        } else if (layer->format == QK_KV_HALF) {
            uint16_t half[QK_MAX_HEAD_DIM];
            t->ops->rows->store_half(k, half, head_dim);
            for (int64_t d = 0; d < head_dim; d++) ((uint16_t *)layer->k)[at + d * size + place] = half[d];
            t->ops->rows->store_half(v, (uint16_t *)layer->v + at + place * head_dim, head_dim);
        } else {
            for (int64_t d = 0; d < head_dim; d++) {
                ((float *)layer->k)[at + d * size + place] = k[d];
                ((float *)layer->v)[at + place * head_dim + d] = v[d];
            }
        }
    }
}

static void store_work(void *context, int worker, int workers) {
    (void)workers;
    struct store *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t i = start; i < end; i++) store_token(task, i);
}

void qk_kv_store(const qk_ops *ops, qk_pool *pool, const float *k, int64_t ldk, const float *v, int64_t ldv,
                 const qk_token_ref *tokens, int64_t m, qk_kv_layer layer) {
    struct store task = {.ops = ops, .k = k, .v = v, .ldk = ldk, .ldv = ldv, .tokens = tokens, .layer = layer};
    if (m * layer.kv_heads * layer.head_dim < SERIAL_FLOATS) {
        qk_divide(&task.division, m, m, 1);
        store_work(&task, 0, 1);
    } else {
        qk_divide(&task.division, m, 16, qk_pool_thread_count(pool));
        qk_pool_run(pool, store_work, &task);
    }
}

struct attention {
    const qk_ops *ops;
    const float *q;
    float *out;
    int64_t ldq, ldo, m;
    const qk_token_ref *tokens;
    int32_t group_heads, tile;
    qk_kv_layer layer;
    float scale;
    float *scratch;
    int64_t scratch_stride;
    qk_division division;
};

// Tokens whose heads fill a tile.
static int32_t tile_tokens(int32_t group_heads) {
    return group_heads < QK_ATTEND_TILE ? QK_ATTEND_TILE / group_heads : 1;
}

static bool follows(qk_token_ref next, qk_token_ref token) {
    return next.block_table == token.block_table && next.position == token.position + 1;
}

// Tokens of a tile that share what is read. Those of different sequences share nothing: one each, to divide among the workers.
static int32_t shared_tokens(const qk_token_ref *tokens, int64_t m, int32_t most) {
    int64_t runs = 1;
    for (int64_t i = 1; i < m; i++) runs += !follows(tokens[i], tokens[i - 1]);
    int64_t shared = m / runs < most ? m / runs : most;
    return shared > 0 ? (int32_t)shared : 1;
}

// Scores, running outputs and rotated queries of every row of a tile.
int64_t qk_attention_scratch_floats(int32_t heads, int32_t kv_heads, int32_t head_dim, int32_t block_size) {
    int32_t group_heads = heads / kv_heads;
    int64_t rows = (int64_t)tile_tokens(group_heads) * group_heads;
    return (rows * (block_size + 2 * head_dim) + 15) / 16 * 16;
}

// One key head and one tile of tokens, cut into runs of one sequence.
static void attend_item(const struct attention *t, int64_t item, int worker) {
    int32_t head = (int32_t)(item % t->layer.kv_heads);
    int64_t first = item / t->layer.kv_heads * t->tile;
    int64_t end = first + t->tile < t->m ? first + t->tile : t->m;
    int64_t offset = (int64_t)head * t->group_heads * t->layer.head_dim;
    while (first < end) {
        const qk_token_ref *run = t->tokens + first;
        int32_t count = 1;
        while (first + count < end && follows(run[count], run[count - 1])) count++;
        t->ops->rows->attend(t->q + first * t->ldq + offset, t->ldq, t->out + first * t->ldo + offset, t->ldo, run, count,
                       t->group_heads, head, &t->layer, t->scale, t->scratch + worker * t->scratch_stride);
        first += count;
    }
}

static void attend_work(void *context, int worker, int workers) {
    (void)workers;
    struct attention *task = context;
    int64_t start, end;
    while (qk_take(&task->division, worker, &start, &end))
        for (int64_t item = start; item < end; item++) attend_item(task, item, worker);
}

void qk_attention(const qk_ops *ops, qk_pool *pool, const float *q, int64_t ldq, float *out, int64_t ldo,
                  const qk_token_ref *tokens, int64_t m, int32_t heads, qk_kv_layer layer, float scale, float *scratch) {
    int32_t group_heads = heads / layer.kv_heads;
    struct attention task = {.ops = ops, .q = q, .out = out, .ldq = ldq, .ldo = ldo, .m = m, .tokens = tokens,
                             .group_heads = group_heads, .tile = shared_tokens(tokens, m, tile_tokens(group_heads)),
                             .layer = layer, .scale = scale, .scratch = scratch,
                             .scratch_stride =
                                 qk_attention_scratch_floats(heads, layer.kv_heads, layer.head_dim, layer.block_size)};
    int64_t floats = 0;  // work grows with the position
    for (int64_t i = 0; i < m; i++) floats += (int64_t)(tokens[i].position + 1) * layer.head_dim * heads;
    int64_t items = (m + task.tile - 1) / task.tile * layer.kv_heads;
    if (floats < SERIAL_FLOATS) {
        qk_divide(&task.division, items, items, 1);
        attend_work(&task, 0, 1);
    } else {
        qk_divide(&task.division, items, 1, qk_pool_thread_count(pool));
        qk_pool_run(pool, attend_work, &task);
    }
}
