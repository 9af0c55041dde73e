// The int8 x int16 product with AVX-VNNI: one instruction multiplies pairs and adds. The integers are those of AVX2.
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)

static inline __m256i multiply_add(__m256i sum, __m256i weights, __m256i x) {
    return _mm256_dpwssd_avx_epi32(sum, weights, x);
}

#define QK_TABLE qk_linear_avxvnni
#include "linear_ymm.h"

#pragma clang attribute pop
#endif
