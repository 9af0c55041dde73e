// The int8 x int16 tile product in plain C: the specification of the vector versions.
#include <math.h>

#include "half.h"
#include "ops.h"

#pragma clang fp contract(off)

static void q8_tile(const int8_t *values, const uint16_t *scales, const int16_t *x, const float *x_scales, int64_t k,
                       int32_t group, int32_t tokens, float *sums) {
    // Activations are stored x0 x2 x1 x3; weights of one row and four columns are adjacent.
    static const int order[4] = {0, 2, 1, 3};
    int64_t groups = k / group;
    for (int32_t t = 0; t < tokens; t++) {
        for (int r = 0; r < QK_TILE_ROWS; r++) {
            float sum = 0;
            for (int64_t g = 0; g < groups; g++) {
                int32_t exact = 0;
                for (int64_t c = g * group; c < (g + 1) * group; c++)
                    exact += values[c / 4 * 64 + r * 4 + order[c % 4]] * x[t * k + c];
                float scale = qk_half_to_float(scales[g * QK_TILE_ROWS + r]) * x_scales[t * groups + g];
                sum = fmaf((float)exact, scale, sum);
            }
            sums[t * QK_TILE_ROWS + r] = sum;
        }
    }
}

// One token at a time: nothing is shared, so any count would do.
const qk_linear_ops qk_linear_scalar = {.tile_tokens = QK_TILE_TOKENS, .q8_tile = q8_tile};
