// The row operations with NEON's half-precision conversions.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "lanes.h"

static inline float32x4_t widened(const uint16_t *x) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x))); }

static inline f8 load_half8(const uint16_t *x) {
    return __builtin_shufflevector(widened(x), widened(x + 4), 0, 1, 2, 3, 4, 5, 6, 7);
}

static inline f16 load_half16(const uint16_t *x) {
    return __builtin_shufflevector(load_half8(x), load_half8(x + 8), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline void store_half8(uint16_t *y, f8 v) {
    vst1_u16(y, vreinterpret_u16_f16(vcvt_f16_f32(__builtin_shufflevector(v, v, 0, 1, 2, 3))));
    vst1_u16(y + 4, vreinterpret_u16_f16(vcvt_f16_f32(__builtin_shufflevector(v, v, 4, 5, 6, 7))));
}

enum { ROWS_AT_ONCE = 6, VECTORS = 1 };
#define QK_NAME(name) name##_neon
#include "rows_template.h"
#include "attention_template.h"
#include "weights_template.h"
#include "deltanet_template.h"
#include "experts_template.h"
#include "rows_table.h"
#endif
