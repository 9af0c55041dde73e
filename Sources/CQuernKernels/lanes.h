// Vectors of eight and sixteen floats: the shapes in which every row operation and attention is written.
//
// Compiled without instruction-set flags they are plain C and the specification; a compiler for AVX2 or AVX-512 splits or
// keeps them as registers allow. Work on lanes gives the same bits at any width; sums over lanes use a fixed number of
// lanes and one fixed tree. Every fused multiply-add is written out and contraction is off.
#ifndef QUERN_LANES_H
#define QUERN_LANES_H

#include <math.h>
#include <string.h>

#include "ops.h"

#pragma clang fp contract(off)
// Vectors are passed only between static functions of one file, so their calling convention is our own affair.
#pragma clang diagnostic ignored "-Wpsabi"

#define QK_TIMES_8(x) x, x, x, x, x, x, x, x
#define QK_TIMES_16(x) QK_TIMES_8(x), QK_TIMES_8(x)

// e^x to about one unit in the last place: x = n ln 2 + r, a degree-6 polynomial in r (Cephes expf coefficients), then a
// multiplication by 2^n. Below -87 the result is 0, above 88.37 it stays at the largest value; NaN stays NaN.
#define QK_DEFINE_LANES(F, I, N)                                                                             \
    typedef float F __attribute__((vector_size(N * 4)));                                                     \
    typedef int32_t I __attribute__((vector_size(N * 4)));                                                   \
    static inline F load##N(const float *x) {                                                                \
        F v;                                                                                                 \
        memcpy(&v, x, sizeof v);                                                                             \
        return v;                                                                                            \
    }                                                                                                        \
    static inline void store##N(float *x, F v) { memcpy(x, &v, sizeof v); }                                  \
    static inline F splat##N(float x) { return (F){QK_TIMES_##N(x)}; }                                       \
    static inline F fma##N(F a, F b, F c) { return __builtin_elementwise_fma(a, b, c); }                     \
    static inline F select##N(I mask, F yes, F no) { return (F)(((I)yes & mask) | ((I)no & ~mask)); }        \
    static inline F exp##N(F x) {                                                                            \
        I tiny = x < splat##N(-87.0f);                                                                       \
        F limited = select##N(x > splat##N(88.37f), splat##N(88.37f), x);                                    \
        F shifted = limited * splat##N(1.44269504f) + splat##N(12582912.0f); /* rounds to an integer */      \
        F n = shifted - splat##N(12582912.0f);                                                               \
        F r = fma##N(n, splat##N(-0.693359375f), limited);                                                   \
        r = fma##N(n, splat##N(2.12194440e-4f), r);                                                          \
        F p = splat##N(1.9875691500e-4f);                                                                    \
        p = fma##N(p, r, splat##N(1.3981999507e-3f));                                                        \
        p = fma##N(p, r, splat##N(8.3334519073e-3f));                                                        \
        p = fma##N(p, r, splat##N(4.1665795894e-2f));                                                        \
        p = fma##N(p, r, splat##N(1.6666665459e-1f));                                                        \
        p = fma##N(p, r, splat##N(5.0000001201e-1f));                                                        \
        F y = fma##N(p * r, r, r) + splat##N(1.0f);                                                          \
        F power = (F)(((I)shifted + (127 - 0x4B400000)) << 23);                                              \
        return select##N(tiny, splat##N(0.0f), y * power);                                                   \
    }

QK_DEFINE_LANES(f8, i8, 8)
QK_DEFINE_LANES(f16, i16, 16)

typedef int16_t s16 __attribute__((vector_size(32)));
typedef uint8_t u64 __attribute__((vector_size(64)));
typedef int8_t b16 __attribute__((vector_size(16)));
typedef int8_t b8 __attribute__((vector_size(8)));

// The last n < 8 floats, padded with zeros.
static inline f8 load_tail(const float *x, int64_t n) {
    f8 v = {0};
    memcpy(&v, x, (size_t)n * sizeof *x);
    return v;
}
static inline void store_tail(float *x, f8 v, int64_t n) { memcpy(x, &v, (size_t)n * sizeof *x); }

static inline float sum8(f8 v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }
static inline float sum16(f16 v) {
    return sum8(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
}

#endif
