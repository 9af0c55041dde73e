// Row operations, written once over vectors of eight floats and compiled per instruction set.
//
// Included by rows_scalar.c and rows_avx2.c, which define QK_NAME and the half-precision loads. Every sum runs in eight
// lanes (lane = index % 8) that are added in one fixed tree, every fused multiply-add is written out and contraction is
// off, so both builds give the same bits.
#include <math.h>
#include <string.h>

#include "ops.h"

#pragma clang fp contract(off)
// Vectors are passed only between static functions of this file, so their calling convention is our own affair.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));

static inline f8 load8(const float *x) {
    f8 v;
    memcpy(&v, x, sizeof v);
    return v;
}
static inline void store8(float *x, f8 v) { memcpy(x, &v, sizeof v); }
static inline f8 splat8(float x) { return (f8){x, x, x, x, x, x, x, x}; }
static inline f8 fma8(f8 a, f8 b, f8 c) { return __builtin_elementwise_fma(a, b, c); }
static inline f8 select8(i8 mask, f8 yes, f8 no) { return (f8)(((i8)yes & mask) | ((i8)no & ~mask)); }

// The last n < 8 floats, padded with zeros.
static inline f8 load_tail(const float *x, int64_t n) {
    f8 v = {0};
    memcpy(&v, x, (size_t)n * sizeof *x);
    return v;
}
static inline void store_tail(float *x, f8 v, int64_t n) { memcpy(x, &v, (size_t)n * sizeof *x); }

static inline float sum8(f8 v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

// e^x to about one unit in the last place: x = n ln 2 + r, a degree-6 polynomial in r (Cephes expf coefficients), then a
// multiplication by 2^n. Below -87 the result is 0, above 88.37 it stays at the largest value; NaN stays NaN.
static inline f8 exp8(f8 x) {
    i8 tiny = x < splat8(-87.0f);
    f8 limited = select8(x > splat8(88.37f), splat8(88.37f), x);
    f8 shifted = limited * splat8(1.44269504f) + splat8(12582912.0f);  // 1.5 * 2^23: rounds to an integer
    f8 n = shifted - splat8(12582912.0f);
    f8 r = fma8(n, splat8(-0.693359375f), limited);
    r = fma8(n, splat8(2.12194440e-4f), r);
    f8 p = splat8(1.9875691500e-4f);
    p = fma8(p, r, splat8(1.3981999507e-3f));
    p = fma8(p, r, splat8(8.3334519073e-3f));
    p = fma8(p, r, splat8(4.1665795894e-2f));
    p = fma8(p, r, splat8(1.6666665459e-1f));
    p = fma8(p, r, splat8(5.0000001201e-1f));
    f8 y = fma8(p * r, r, r) + splat8(1.0f);
    f8 power = (f8)(((i8)shifted + (127 - 0x4B400000)) << 23);
    return select8(tiny, splat8(0.0f), y * power);
}

void QK_NAME(qk_quantize_row)(const float *x, int64_t columns, int64_t k_padded, int32_t group, int16_t *values,
                              float *scales) {
    for (int64_t start = 0; start < k_padded; start += group) {
        float block[64];
        int64_t n = columns - start < group ? columns - start : group;
        if (n < 0) n = 0;
        memcpy(block, x + start, (size_t)n * sizeof *block);
        memset(block + n, 0, (size_t)(group - n) * sizeof *block);

        // Magnitudes compare as integers, and so that a NaN is the largest and is not lost.
        i8 largest = {0};
        for (int32_t k = 0; k < group; k += 8) {
            i8 bits = (i8)load8(block + k) & 0x7FFFFFFF;
            i8 greater = bits > largest;
            largest = (bits & greater) | (largest & ~greater);
        }
        int32_t top = 0;
        for (int lane = 0; lane < 8; lane++) top = largest[lane] > top ? largest[lane] : top;
        float magnitude;
        memcpy(&magnitude, &top, sizeof top);

        float scale = magnitude / 32767.0f;
        float inverse = magnitude > 0 ? 32767.0f / magnitude : 0.0f;
        if (!(magnitude <= 3.0e38f) || !(inverse <= 3.0e38f)) {
            // Not finite: the scale carries the NaN into the sums. Too small to invert: zero is exact enough.
            scale = magnitude <= 1.0f ? 0.0f : NAN;
            memset(block, 0, sizeof block);
            inverse = 0.0f;
        }
        scales[start / group] = scale;
        for (int32_t k = 0; k < group; k += 8) {
            f8 scaled = load8(block + k) * splat8(inverse);
            i8 rounded = (i8)(scaled + splat8(12582912.0f)) - 0x4B400000;  // to nearest, ties to even
            int16_t *out = values + start + k;
            for (int lane = 0; lane < 8; lane += 4) {
                out[lane] = (int16_t)rounded[lane];
                out[lane + 1] = (int16_t)rounded[lane + 2];
                out[lane + 2] = (int16_t)rounded[lane + 1];
                out[lane + 3] = (int16_t)rounded[lane + 3];
            }
        }
    }
}

void QK_NAME(qk_rmsnorm_row)(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
    f8 squares = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        f8 v = load8(x + i);
        squares = fma8(v, v, squares);
    }
    if (i < n) {
        f8 v = load_tail(x + i, n - i);
        squares = fma8(v, v, squares);
    }
    f8 factor = splat8(1.0f / sqrtf(sum8(squares) / (float)n + epsilon));
    for (i = 0; i + 8 <= n; i += 8) store8(y + i, load8(x + i) * factor * load8(weight + i));
    if (i < n) store_tail(y + i, load_tail(x + i, n - i) * factor * load_tail(weight + i, n - i), n - i);
}

void QK_NAME(qk_rope_row)(float *x, const float *cosine, const float *sine, int32_t heads, int32_t head_dim) {
    int32_t half = head_dim / 2;
    for (int32_t head = 0; head < heads; head++) {
        float *a = x + (int64_t)head * head_dim, *b = a + half;
        int32_t i = 0;
        for (; i + 8 <= half; i += 8) {
            f8 u = load8(a + i), v = load8(b + i), c = load8(cosine + i), s = load8(sine + i);
            store8(a + i, u * c - v * s);
            store8(b + i, v * c + u * s);
        }
        for (; i < half; i++) {
            float u = a[i], v = b[i];
            a[i] = u * cosine[i] - v * sine[i];
            b[i] = v * cosine[i] + u * sine[i];
        }
    }
}

static inline f8 swiglu8(f8 gate, f8 up) { return gate / (splat8(1.0f) + exp8(-gate)) * up; }

void QK_NAME(qk_swiglu_row)(const float *gate, const float *up, float *out, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) store8(out + i, swiglu8(load8(gate + i), load8(up + i)));
    if (i < n) store_tail(out + i, swiglu8(load_tail(gate + i, n - i), load_tail(up + i, n - i)), n - i);
}

void QK_NAME(qk_add)(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

int64_t QK_NAME(qk_argmax)(const float *x, int64_t n) {
    f8 best = splat8(-INFINITY);
    i8 bad = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        f8 v = load8(x + i);
        bad |= v != v;
        best = select8(v > best, v, best);
    }
    float top = -INFINITY;
    int is_bad = 0;
    for (int lane = 0; lane < 8; lane++) {
        top = best[lane] > top ? best[lane] : top;
        is_bad |= bad[lane];
    }
    for (; i < n; i++) {
        is_bad |= x[i] != x[i];
        top = x[i] > top ? x[i] : top;
    }
    if (is_bad || !isfinite(top)) return -1;
    for (i = 0; i < n; i++)
        if (x[i] == top) return i;
    return -1;
}

typedef uint64_t u4 __attribute__((vector_size(32)));

uint64_t QK_NAME(qk_read_sum)(const uint64_t *data, size_t words) {
    u4 a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i + 16 <= words; i += 16) {
        u4 v[4];
        memcpy(v, data + i, sizeof v);
        a += v[0];
        b += v[1];
        c += v[2];
        d += v[3];
    }
    a += b + c + d;
    return a[0] + a[1] + a[2] + a[3];
}

void QK_NAME(qk_store_half)(const float *x, uint16_t *y, int64_t n) {
    for (int64_t i = 0; i < n; i += 8) store_half8(y + i, load8(x + i));
}

// ---- attention ----

// Widens the K or V row of `position` inside a block.
static inline void load_row(const qk_kv_layer *layer, const void *plane, int64_t row, float *out) {
    int64_t at = row * layer->head_dim;
    for (int32_t d = 0; d < layer->head_dim; d += 8)
        store8(out + d, layer->is_f16 ? load_half8((const uint16_t *)plane + at + d) : load8((const float *)plane + at + d));
}

static inline float dot_row(const float *a, const float *b, int32_t n) {
    f8 sum = {0};
    for (int32_t d = 0; d < n; d += 8) sum = fma8(load8(a + d), load8(b + d), sum);
    return sum8(sum);
}

// scores[0..<n] -> e^(score - top), returns their sum; the tail up to a multiple of 8 becomes zero weight.
static inline float weigh(float *scores, int32_t n, float top) {
    f8 sum = {0};
    for (int32_t p = n; p % 8 != 0; p++) scores[p] = -INFINITY;
    for (int32_t p = 0; p < n; p += 8) {
        f8 e = exp8(load8(scores + p) - splat8(top));
        store8(scores + p, e);
        sum += e;
    }
    return sum8(sum);
}

void QK_NAME(qk_attend)(const float *q, float *out, qk_token_ref token, int32_t group_heads, int32_t kv_head,
                        const qk_kv_layer *layer, float scale, float *scratch) {
    const int32_t head_dim = layer->head_dim, size = layer->block_size;
    float *scores = scratch;                                    // [group_heads, block_size]
    float *sums = scores + (int64_t)group_heads * size;         // [group_heads, head_dim]
    float *row = sums + (int64_t)group_heads * head_dim;        // [head_dim]
    float top[256], mass[256];
    memset(sums, 0, (size_t)group_heads * head_dim * sizeof *sums);
    for (int32_t h = 0; h < group_heads; h++) {
        top[h] = -INFINITY;
        mass[h] = 0;
    }
    for (int32_t start = 0; start <= token.position; start += size) {
        int32_t n = token.position + 1 - start < size ? token.position + 1 - start : size;
        int64_t block = token.block_table[start / size] * layer->block_stride / head_dim + (int64_t)kv_head * size;
        for (int32_t p = 0; p < n; p++) {
            load_row(layer, layer->k, block + p, row);
            for (int32_t h = 0; h < group_heads; h++)
                scores[h * size + p] = dot_row(q + (int64_t)h * head_dim, row, head_dim) * scale;
        }
        for (int32_t h = 0; h < group_heads; h++) {
            float highest = top[h];
            for (int32_t p = 0; p < n; p++) highest = scores[h * size + p] > highest ? scores[h * size + p] : highest;
            float shrink = exp8(splat8(top[h] - highest))[0];
            top[h] = highest;
            mass[h] = mass[h] * shrink + weigh(scores + h * size, n, highest);
            float *sum = sums + (int64_t)h * head_dim;
            for (int32_t d = 0; d < head_dim; d += 8) store8(sum + d, load8(sum + d) * splat8(shrink));
        }
        for (int32_t p = 0; p < n; p++) {
            load_row(layer, layer->v, block + p, row);
            for (int32_t h = 0; h < group_heads; h++) {
                f8 weight = splat8(scores[h * size + p]);
                float *sum = sums + (int64_t)h * head_dim;
                for (int32_t d = 0; d < head_dim; d += 8) store8(sum + d, fma8(weight, load8(row + d), load8(sum + d)));
            }
        }
    }
    for (int32_t h = 0; h < group_heads; h++) {
        f8 inverse = splat8(1.0f / mass[h]);
        for (int32_t d = 0; d < head_dim; d += 8)
            store8(out + (int64_t)h * head_dim + d, load8(sums + (int64_t)h * head_dim + d) * inverse);
    }
}
