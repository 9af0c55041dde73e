// The row operations with AVX2, FMA and F16C.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "ops.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __m256 load_half8(const uint16_t *x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)); }

static inline void store_half8(uint16_t *y, __m256 v) {
    _mm_storeu_si128((__m128i *)y, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

#define QK_NAME(name) name##_avx2
#include "rows_template.h"
#include "attention_template.h"

#pragma clang attribute pop

const qk_row_ops qk_rows_avx2 = {
    .quantize_row = qk_quantize_row_avx2,
    .rmsnorm_row = qk_rmsnorm_row_avx2,
    .rope_row = qk_rope_row_avx2,
    .swiglu_row = qk_swiglu_row_avx2,
    .add = qk_add_avx2,
    .argmax = qk_argmax_avx2,
    .read_sum = qk_read_sum_avx2,
    .store_half = qk_store_half_avx2,
    .attend = qk_attend_avx2,
};
#endif
