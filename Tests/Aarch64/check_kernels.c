// Every instruction set of this processor against the scalar kernels, bit by bit, without Swift: for processors that are
// emulated (scripts/test-aarch64.sh) or that cannot build the package.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quern_kernels.h"

static uint64_t state = 1;
static float random_float(float scale) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((float)(state >> 40) / (1 << 23) - 1.0f) * scale;
}
static float *random_floats(int64_t n, float scale) {
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = random_float(scale);
    return x;
}

static int failures, checks;
static void same(const char *isa, const char *what, int a, int b, const void *x, const void *y, size_t bytes) {
    checks++;
    if (memcmp(x, y, bytes) == 0) return;
    failures++;
    printf("%s: %s %d %d differs from scalar\n", isa, what, a, b);
}

typedef struct {
    qk_q8_matrix matrix;
    int64_t columns;
} weights;

static weights random_weights(const qk_ops *ops, int64_t rows, int64_t columns, int32_t group, int32_t bits) {
    int64_t padded = (columns + group - 1) / group * group, tiles = (rows + 15) / 16;
    int8_t *values = calloc((size_t)(tiles * 16 * padded), 1);
    uint16_t *scales = calloc((size_t)(tiles * 16 * padded / group), sizeof *scales);
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t g = 0; g < padded / group; g++) {
            float w[64] = {0};
            int8_t integers[64];
            for (int32_t k = 0; k < group && g * group + k < columns; k++) w[k] = random_float(0.1f);
            qk_quantize_weights(ops, w, group, bits, integers, scales + (row / 16 * (padded / group) + g) * 16 + row % 16);
            for (int32_t k = 0; k < group; k++)
                values[(row / 16 * (padded / 4) + (g * group + k) / 4) * 64 + row % 16 * 4 + k % 4] = integers[k];
        }
    }
    if (bits < 8) {
        uint8_t *packed = calloc((size_t)(tiles * 16 * padded), 1);
        qk_pack_chunks(values, tiles * padded / 4, bits, packed);
        values = (int8_t *)packed;
    }
    return (weights){{values, scales, rows, padded, group, bits}, columns};
}

static qk_activations activations(int64_t m, const qk_q8_matrix *w, int bits) {
    int64_t rows = m + 15;  // that kernels may read
    size_t groups = (size_t)(rows * w->k_padded / w->group);
    return (qk_activations){calloc((size_t)(rows * w->k_padded), 2), calloc(groups, 4), calloc(groups, 4), bits};
}

static float *product(const qk_ops *ops, qk_pool *pool, const float *x, int64_t m, weights w, int bits) {
    qk_activations a = activations(m, &w.matrix, bits);
    float *y = calloc((size_t)(m * w.matrix.rows), sizeof *y);
    qk_quantize_rows(ops, pool, x, w.columns, m, w.columns, w.matrix.k_padded, w.matrix.group, a);
    qk_matmul_job job = {w.matrix, y, w.matrix.rows, NULL, 0};
    qk_q8_matmul(ops, pool, a, m, &job, 1);
    return y;
}

static float *attend(const qk_ops *ops, qk_pool *pool, const float *q, const float *kv, int count, qk_kv_format format) {
    enum { HEADS = 6, KV_HEADS = 2, HEAD_DIM = 64, BLOCKS = 3, SIZE = 128 };
    int32_t table[BLOCKS] = {2, 0, 1};
    size_t elements = BLOCKS * KV_HEADS * SIZE * HEAD_DIM;
    qk_kv_layer layer = {calloc(elements, 4), calloc(elements, 4), calloc(elements / HEAD_DIM, 4), calloc(elements / HEAD_DIM, 4),
                         calloc(elements / SIZE, 4), KV_HEADS * SIZE * HEAD_DIM, SIZE, KV_HEADS, HEAD_DIM, format};
    qk_token_ref *tokens = calloc((size_t)count, sizeof *tokens);
    for (int i = 0; i < count; i++) tokens[i] = (qk_token_ref){table, i};
    float *out = calloc((size_t)count * HEADS * HEAD_DIM, 4);
    float *scratch = calloc((size_t)qk_attention_scratch_floats(HEADS, KV_HEADS, HEAD_DIM, SIZE) * 2, 4);
    qk_kv_store(ops, pool, kv, KV_HEADS * HEAD_DIM, kv + 7, KV_HEADS * HEAD_DIM, tokens, count, layer);
    qk_attention(ops, pool, q, HEADS * HEAD_DIM, out, HEADS * HEAD_DIM, tokens, count, HEADS, layer, 0.125f, scratch);
    return out;
}

static void check(const char *isa, const qk_ops *ops, const qk_ops *scalar, qk_pool *pool) {
    static const int shapes[][2] = {{1, 32}, {17, 172}, {33, 256}, {100, 576}};
    for (int s = 0; s < 4; s++) {
        for (int kind = 0; kind < 6; kind++) {
            int32_t group = kind % 2 ? 64 : 32, weight_bits = 4 + kind / 2 * 2;
            uint64_t seed = state;
            weights w = random_weights(ops, shapes[s][0], shapes[s][1], group, weight_bits);
            state = seed;
            weights expected = random_weights(scalar, shapes[s][0], shapes[s][1], group, weight_bits);
            size_t count = (size_t)((shapes[s][0] + 15) / 16 * 2 * w.matrix.k_padded * weight_bits);
            same(isa, "weights", shapes[s][0], group, w.matrix.values, expected.matrix.values, count);
            for (int m = 1; m <= 9; m++) {
                float *x = random_floats(m * shapes[s][1], 3);
                for (int bits = 8; bits <= 16; bits += 8)
                    same(isa, "product", m, bits, product(ops, pool, x, m, w, bits), product(scalar, pool, x, m, w, bits),
                         (size_t)(m * shapes[s][0]) * 4);
            }
        }
    }
    float *q = random_floats(300 * 6 * 64, 2), *kv = random_floats(300 * 2 * 64 + 7, 2);
    for (int format = QK_KV_FLOAT; format <= QK_KV_INT8; format++)
        for (int count = 1; count <= 300; count += 149)
            same(isa, "attention", format, count, attend(ops, pool, q, kv, count, (qk_kv_format)format),
                 attend(scalar, pool, q, kv, count, (qk_kv_format)format), (size_t)count * 6 * 64 * 4);
    for (int n = 1; n <= 200; n += 13) {
        float *x = random_floats(4 * n, 2), *w = random_floats(n, 1), *a = calloc((size_t)(4 * n), 4), *b = calloc((size_t)(4 * n), 4);
        qk_rmsnorm(ops, pool, x, n, w, a, n, 4, n, 1e-6f);
        qk_rmsnorm(scalar, pool, x, n, w, b, n, 4, n, 1e-6f);
        same(isa, "norm", n, 0, a, b, (size_t)(4 * n) * 4);
        qk_swiglu(ops, pool, x, x + n, a, n, 1, n);
        qk_swiglu(scalar, pool, x, x + n, b, n, 1, n);
        same(isa, "swiglu", n, 0, a, b, (size_t)n * 4);
        int64_t best[2] = {qk_argmax(ops, x, 4 * n), qk_argmax(scalar, x, 4 * n)};
        same(isa, "argmax", n, 0, &best[0], &best[1], 8);
    }
}

int main(void) {
    qk_pool *pool = qk_pool_create(2);
    const qk_ops *scalar = qk_ops_resolve("scalar");
    for (int i = 0;; i++) {
        const char *name = qk_ops_supported(i);
        if (!name) break;
        printf("%s\n", name);
        check(name, qk_ops_resolve(name), scalar, pool);
    }
    qk_pool_destroy(pool);
    printf("%d comparisons, %d failures\n", checks, failures);
    return failures != 0;
}
