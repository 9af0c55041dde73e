// The row operations for any processor: the specification that rows_avx2.c is tested against.
#include "half.h"
#include "ops.h"

typedef float half8_floats __attribute__((vector_size(32)));

static inline half8_floats load_half8(const uint16_t *x) {
    half8_floats v;
    for (int i = 0; i < 8; i++) v[i] = qk_half_to_float(x[i]);
    return v;
}

static inline void store_half8(uint16_t *y, half8_floats v) {
    for (int i = 0; i < 8; i++) y[i] = qk_float_to_half(v[i]);
}

#define QK_NAME(name) name##_scalar
#include "rows_template.h"
#include "attention_template.h"

const qk_row_ops qk_rows_scalar = {
    .quantize_row = qk_quantize_row_scalar,
    .rmsnorm_row = qk_rmsnorm_row_scalar,
    .rope_row = qk_rope_row_scalar,
    .swiglu_row = qk_swiglu_row_scalar,
    .add = qk_add_scalar,
    .argmax = qk_argmax_scalar,
    .read_sum = qk_read_sum_scalar,
    .store_half = qk_store_half_scalar,
    .attend = qk_attend_scalar,
};
