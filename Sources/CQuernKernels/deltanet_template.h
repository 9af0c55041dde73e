// The steps of a Gated DeltaNet layer on one token or one head, compiled per instruction set like rows_template.h.
//
// Source: arXiv 2412.06464, with the gates, norms and scales of Qwen3-Next. Lanes are channels or columns of the state, so that a
// sum over key dimensions runs in ascending order in every lane and no order depends on the width of a register.
// Invariant: what a token gets depends on the state before it and on nothing else: not on where a step begins.
#include "lanes.h"

enum { DELTA_COLUMNS = 32 };  // of the state, updated together: 16 KB for 128 key dimensions, which stay in the first cache

static inline f16 QK_NAME(silu16)(f16 x) { return x / (splat16(1.0f) + exp16(-x)); }

// out[c] = silu(sum over j of weights[j][c] * inputs[j][c])
static void QK_NAME(convolve_row)(const float *const *inputs, const float *weights, int32_t size, int64_t width, float *out) {
    int64_t c = 0;
    for (; c + 16 <= width; c += 16) {
        f16 sum = load16(weights + c) * load16(inputs[0] + c);
        for (int32_t j = 1; j < size; j++) sum = fma16(load16(weights + j * width + c), load16(inputs[j] + c), sum);
        store16(out + c, QK_NAME(silu16)(sum));
    }
    for (; c < width; c += 8) {
        f8 sum = load8(weights + c) * load8(inputs[0] + c);
        for (int32_t j = 1; j < size; j++) sum = fma8(load8(weights + j * width + c), load8(inputs[j] + c), sum);
        store8(out + c, sum / (splat8(1.0f) + exp8(-sum)));
    }
}

// x / |x| * scale
static void QK_NAME(normalize_head)(float *x, int64_t n, float scale) {
    f8 squares = {0};
    for (int64_t i = 0; i < n; i += 8) {
        f8 v = load8(x + i);
        squares = fma8(v, v, squares);
    }
    f8 factor = splat8(scale / sqrtf(sum8(squares) + 1e-6f));
    for (int64_t i = 0; i < n; i += 8) store8(x + i, load8(x + i) * factor);
}

// What one key dimension's row of the state becomes: s = s * decay + k * delta.
static inline __attribute__((always_inline)) void QK_NAME(delta_pass)(float *state, int32_t key_dim, const float *q,
                                                                      const float *k, const float *next, float decay,
                                                                      const f16 *delta, f16 *result, f16 *memory) {
    f16 keep = splat16(decay);
    f16 r0 = {0}, r1 = {0}, m0 = {0}, m1 = {0};
    for (int32_t i = 0; i < key_dim; i++) {
        float *row = state + i * DELTA_COLUMNS;
        f16 s0 = fma16(splat16(k[i]), delta[0], load16(row) * keep);
        f16 s1 = fma16(splat16(k[i]), delta[1], load16(row + 16) * keep);
        store16(row, s0);
        store16(row + 16, s1);
        r0 = fma16(splat16(q[i]), s0, r0);
        r1 = fma16(splat16(q[i]), s1, r1);
        if (next) {
            m0 = fma16(splat16(next[i]), s0, m0);
            m1 = fma16(splat16(next[i]), s1, m1);
        }
    }
    result[0] = r0;
    result[1] = r1;
    memory[0] = m0;
    memory[1] = m1;
}

// One slice of DELTA_COLUMNS columns of one head's state [key_dim][DELTA_COLUMNS] over `count` tokens. While a token's update is
// in registers the next token's key already reads it, so that the state passes through once per token.
static void QK_NAME(delta_slice)(const qk_delta_head *head, float *state, int32_t column) {
    const float *k = head->k;
    f16 memory[2] = {{0}, {0}};
    for (int32_t i = 0; i < head->key_dim; i++) {
        memory[0] = fma16(splat16(k[i]), load16(state + i * DELTA_COLUMNS), memory[0]);
        memory[1] = fma16(splat16(k[i]), load16(state + i * DELTA_COLUMNS + 16), memory[1]);
    }
    for (int32_t t = 0; t < head->count; t++) {
        const float *v = head->v + t * head->ldv + column;
        float beta = head->gates[t * head->ldg], decay = head->gates[t * head->ldg + 1];
        f16 delta[2], result[2];
        for (int j = 0; j < 2; j++)
            delta[j] = (load16(v + 16 * j) - memory[j] * splat16(decay)) * splat16(beta);
        const float *q = head->q + t * head->ldv;
        k = head->k + t * head->ldv;
        if (t + 1 < head->count)
            QK_NAME(delta_pass)(state, head->key_dim, q, k, k + head->ldv, decay, delta, result, memory);
        else
            QK_NAME(delta_pass)(state, head->key_dim, q, k, NULL, decay, delta, result, memory);
        store16(head->out + t * head->ldo + column, result[0]);
        store16(head->out + t * head->ldo + column + 16, result[1]);
    }
}

// out = out / rms(out) * weight * silu(z)
static void QK_NAME(gated_norm)(float *out, const float *z, const float *weight, int64_t n, float epsilon) {
    f8 squares = {0};
    for (int64_t i = 0; i < n; i += 8) {
        f8 v = load8(out + i);
        squares = fma8(v, v, squares);
    }
    f16 factor = splat16(1.0f / sqrtf(sum8(squares) / (float)n + epsilon));
    for (int64_t i = 0; i < n; i += 16)
        store16(out + i, load16(out + i) * factor * load16(weight + i) * QK_NAME(silu16)(load16(z + i)));
}

static void QK_NAME(qk_delta_head_run)(const qk_delta_head *head) {
    for (int32_t column = 0; column < head->value_dim; column += DELTA_COLUMNS)
        QK_NAME(delta_slice)(head, head->state + (int64_t)column * head->key_dim, column);
    for (int32_t t = 0; t < head->count; t++)
        QK_NAME(gated_norm)(head->out + t * head->ldo, head->z + t * head->ldo, head->norm, head->value_dim, head->epsilon);
}
