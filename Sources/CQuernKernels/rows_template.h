// Row operations, written once over vectors of floats and compiled per instruction set.
//
// Included by the rows_*.c files, which define QK_NAME and the half-precision loads. Every sum runs in eight lanes (lane =
// index % 8) that are added in one fixed tree, so all builds give the same bits.
#include "lanes.h"

// The factor to integers up to limit for a group of which n columns exist. *group_values is x, or padded when it needs zeros.
static inline float QK_NAME(group_factor)(const float *x, int64_t n, int32_t group, float limit, float *padded,
                                          const float **group_values, float *scale) {
    *group_values = x;
    if (n < group) {
        memset(padded, 0, (size_t)group * sizeof *padded);
        if (n > 0) memcpy(padded, x, (size_t)n * sizeof *padded);
        *group_values = x = padded;
    }
    // Magnitudes compare as integers, and so that a NaN is the largest and is not lost.
    i16 largest = {0};
    for (int32_t k = 0; k < group; k += 16) largest = __builtin_elementwise_max(largest, (i16)load16(x + k) & 0x7FFFFFFF);
    int32_t top = __builtin_reduce_max(largest);
    float magnitude;
    memcpy(&magnitude, &top, sizeof top);

    float inverse = magnitude > 0 ? limit / magnitude : 0.0f;
    *scale = magnitude / limit;
    if (magnitude <= 3.0e38f && inverse <= 3.0e38f) return inverse;
    // Not finite: the scale carries the NaN into the sums. Too small to invert: zero is exact enough.
    *scale = magnitude <= 1.0f ? 0.0f : NAN;
    *group_values = memset(padded, 0, (size_t)group * sizeof *padded);
    return 0.0f;
}

// To nearest, ties to even, for magnitudes below 2^22.
static inline i16 QK_NAME(rounded)(f16 x) { return (i16)(x + splat16(12582912.0f)) - 0x4B400000; }

static void QK_NAME(qk_quantize_row)(const float *x, int64_t columns, int64_t k_padded, int32_t group, float limit,
                                     int16_t *values, float *scales) {
    for (int64_t start = 0; start < k_padded; start += group) {
        float padded[64];
        const float *block;
        float inverse =
            QK_NAME(group_factor)(x + start, columns - start, group, limit, padded, &block, scales + start / group);
        for (int32_t k = 0; k < group; k += 16) {
            i16 integers = QK_NAME(rounded)(load16(block + k) * splat16(inverse));
            s16 narrow = __builtin_convertvector(
                __builtin_shufflevector(integers, integers, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15), s16);
            memcpy(values + start + k, &narrow, sizeof narrow);
        }
    }
}

static void QK_NAME(qk_quantize_row_planes)(const float *x, int64_t columns, int64_t k_padded, int32_t group, int8_t *values,
                                            float *scales, int32_t *offsets) {
    for (int64_t start = 0; start < k_padded; start += group) {
        float padded[64];
        const float *block;
        float inverse =
            QK_NAME(group_factor)(x + start, columns - start, group, 32767.0f, padded, &block, scales + start / group);
        int8_t *high = values + 2 * start, *low = high + group;
        i16 sums = {0};
        for (int32_t k = 0; k < group; k += 16) {
            i16 integers = QK_NAME(rounded)(load16(block + k) * splat16(inverse)), highs = integers >> 8;
            sums += highs;
            b16 narrow_highs = __builtin_convertvector(highs, b16), narrow_lows = __builtin_convertvector(integers, b16);
            memcpy(high + k, &narrow_highs, sizeof narrow_highs);
            memcpy(low + k, &narrow_lows, sizeof narrow_lows);
        }
        offsets[start / group] = -128 * __builtin_reduce_add(sums);
    }
}

static void QK_NAME(qk_quantize_row_bytes)(const float *x, int64_t columns, int64_t k_padded, int32_t group, int8_t *values,
                                           float *scales, int32_t *offsets) {
    for (int64_t start = 0; start < k_padded; start += group) {
        float padded[64];
        const float *block;
        float inverse =
            QK_NAME(group_factor)(x + start, columns - start, group, 127.0f, padded, &block, scales + start / group);
        i16 sums = {0};
        for (int32_t k = 0; k < group; k += 16) {
            i16 integers = QK_NAME(rounded)(load16(block + k) * splat16(inverse));
            sums += integers;
            b16 narrow = __builtin_convertvector(integers, b16);
            memcpy(values + start + k, &narrow, sizeof narrow);
        }
        offsets[start / group] = -128 * __builtin_reduce_add(sums);
    }
}

static void QK_NAME(qk_rmsnorm_row)(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
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

static void QK_NAME(qk_rope_row)(float *x, const float *cosine, const float *sine, int32_t heads, int32_t head_dim,
                                 int32_t rotary_dim) {
    int32_t half = rotary_dim / 2;
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
static inline f16 swiglu16(f16 gate, f16 up) { return gate / (splat16(1.0f) + exp16(-gate)) * up; }

static void QK_NAME(qk_swiglu_row)(const float *gate, const float *up, float *out, int64_t n) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) store16(out + i, swiglu16(load16(gate + i), load16(up + i)));
    for (; i + 8 <= n; i += 8) store8(out + i, swiglu8(load8(gate + i), load8(up + i)));
    if (i < n) store_tail(out + i, swiglu8(load_tail(gate + i, n - i), load_tail(up + i, n - i)), n - i);
}

static void QK_NAME(qk_add)(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

// 64 values at a time are compared as one.
static int64_t QK_NAME(qk_first_at_least)(const float *x, int64_t start, int64_t n, float floor) {
    enum { STRIDE = 64 };
    int64_t i = start;
    for (; i + STRIDE <= n; i += STRIDE) {
        i16 found = {0};
        for (int j = 0; j < 4; j++) found |= load16(x + i + j * 16) >= splat16(floor);
        if (__builtin_reduce_or(found)) break;
    }
    for (; i < n; i++)
        if (x[i] >= floor) return i;
    return n;
}

static int64_t QK_NAME(qk_argmax)(const float *x, int64_t n) {
    enum { STRIDE = 64 };
    f16 best[4];
    i16 bad = {0};
    for (int j = 0; j < 4; j++) best[j] = splat16(-INFINITY);
    int64_t i = 0;
    for (; i + STRIDE <= n; i += STRIDE) {
        for (int j = 0; j < 4; j++) {
            f16 v = load16(x + i + j * 16);
            bad |= v != v;
            best[j] = select16(v > best[j], v, best[j]);
        }
    }
    float top = -INFINITY;
    int is_bad = 0;
    for (int lane = 0; lane < 16; lane++) {
        for (int j = 0; j < 4; j++) top = best[j][lane] > top ? best[j][lane] : top;
        is_bad |= bad[lane];
    }
    for (; i < n; i++) {
        is_bad |= x[i] != x[i];
        top = x[i] > top ? x[i] : top;
    }
    if (is_bad || !isfinite(top)) return -1;
    return QK_NAME(qk_first_at_least)(x, 0, n, top);
}

typedef uint64_t u4 __attribute__((vector_size(32)));

// Asks ahead as the products do: without that it would measure the processor's own guesses, which are slower.
static uint64_t QK_NAME(qk_read_sum)(const uint64_t *data, size_t words) {
    const qk_asking asking = qk_ask_once();
    u4 a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i + 16 <= words; i += 16) {
        qk_ask((const int8_t *)(data + i) + QK_ASK_BYTES, asking);
        qk_ask((const int8_t *)(data + i + 8) + QK_ASK_BYTES, asking);
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

static void QK_NAME(qk_store_half)(const float *x, uint16_t *y, int64_t n) {
    for (int64_t i = 0; i < n; i += 8) store_half8(y + i, load8(x + i));
}

static void QK_NAME(qk_expand_chunks)(const uint8_t *packed, int64_t chunks, int32_t bits, int8_t *values) {
    const u64 nibble = (u64){0} + 15, two_bits = (u64){0} + 3;
    if (bits == 4) {
        for (int64_t c = 0; c < chunks; c += 2, packed += 64, values += 128) {
            u64 both;
            memcpy(&both, packed, sizeof both);
            u64 low = ((both & nibble) ^ 8) - 8, high = (both >> 4 ^ 8) - 8;
            memcpy(values, &low, sizeof low);
            memcpy(values + 64, &high, sizeof high);
        }
    } else {
        for (int64_t c = 0; c < chunks; c += 4, packed += 192, values += 256) {
            u64 part[3];
            memcpy(part, packed, sizeof part);
            for (int i = 0; i < 4; i++) {
                u64 low = i % 2 ? part[i / 2] >> 4 : part[i / 2] & nibble;
                u64 w = ((low | (part[2] >> (2 * i) & two_bits) << 4) ^ 32) - 32;
                memcpy(values + i * 64, &w, sizeof w);
            }
        }
    }
}
