// The row operations for any processor: the specification that the other rows_*.c are tested against.
#include "half.h"
#include "lanes.h"

static inline f8 load_half8(const uint16_t *x) {
    f8 v;
    for (int i = 0; i < 8; i++) v[i] = qk_half_to_float(x[i]);
    return v;
}

static inline f16 load_half16(const uint16_t *x) {
    f16 v;
    for (int i = 0; i < 16; i++) v[i] = qk_half_to_float(x[i]);
    return v;
}

static inline void store_half8(uint16_t *y, f8 v) {
    for (int i = 0; i < 8; i++) y[i] = qk_float_to_half(v[i]);
}

enum { ROWS_AT_ONCE = 6, VECTORS = 1 };
#define QK_NAME(name) name##_scalar
#include "rows_template.h"
#include "attention_template.h"
#include "weights_template.h"
#include "deltanet_template.h"
#include "experts_template.h"
#include "rows_table.h"
