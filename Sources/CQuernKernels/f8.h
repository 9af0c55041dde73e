// Vectors of eight floats: the one shape in which every row operation and attention is written.
//
// Compiled without instruction-set flags they are plain C and the specification; with AVX2 each is one register. Sums over
// lanes use one fixed tree, so both give the same bits. Included after the half-precision loads are defined.
#ifndef QUERN_F8_H
#define QUERN_F8_H

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

#endif
