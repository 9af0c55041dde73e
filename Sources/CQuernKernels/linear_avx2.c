// The int8 x int16 product with AVX2: multiply pairs, then add.
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __m256i multiply_add(__m256i sum, __m256i weights, __m256i x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(weights, x));
}

#define QK_TABLE qk_linear_avx2
#include "linear_ymm.h"

#pragma clang attribute pop
#endif
