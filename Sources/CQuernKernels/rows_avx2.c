// The row operations with AVX2, FMA and F16C.
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "lanes.h"

static inline f8 load_half8(const uint16_t *x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)); }

static inline f16 load_half16(const uint16_t *x) {
    return __builtin_shufflevector(load_half8(x), load_half8(x + 8), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline void store_half8(uint16_t *y, f8 v) {
    _mm_storeu_si128((__m128i *)y, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

enum { ROWS_AT_ONCE = 6, VECTORS = 1 };
#define QK_NAME(name) name##_avx2
#include "rows_template.h"
#include "attention_template.h"
#include "weights_template.h"
#include "deltanet_template.h"
#include "experts_template.h"

#pragma clang attribute pop
#include "rows_table.h"
#endif
