// The row operations with AVX-512: sixteen lanes in one register.
#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#include "lanes.h"

static inline f8 load_half8(const uint16_t *x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)); }
static inline f16 load_half16(const uint16_t *x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x)); }

static inline void store_half8(uint16_t *y, f8 v) {
    _mm_storeu_si128((__m128i *)y, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

enum { ROWS_AT_ONCE = 8, VECTORS = 2 };
#define QK_NAME(name) name##_avx512
#include "rows_template.h"
#include "attention_template.h"
#include "weights_template.h"
#include "deltanet_template.h"
#include "experts_template.h"

#pragma clang attribute pop
#include "rows_table.h"
#endif
