// The int8 x int16 tile product in plain C: the specification of the vector versions.
#include <math.h>

#include "half.h"
#include "ops.h"

#pragma clang fp contract(off)

static void q8_tile(const qk_panel *w, const int16_t *x, const float *x_scales, int32_t tokens, float *sums) {
    // Activations are stored x0 x2 x1 x3; weights of one row and four columns are adjacent.
    static const int order[4] = {0, 2, 1, 3};
    for (int32_t t = 0; t < tokens; t++) {
        for (int r = 0; r < QK_TILE_ROWS; r++) {
            float sum = sums[t * QK_TILE_ROWS + r];
            for (int64_t g = 0; g < w->groups; g++) {
                int32_t exact = 0;
                for (int64_t c = g * w->group; c < (g + 1) * w->group; c++)
                    exact += w->values[c / 4 * 64 + r * 4 + order[c % 4]] * x[t * w->x_stride + c];
                float scale = qk_half_to_float(w->scales[g * QK_TILE_ROWS + r]) * x_scales[t * w->scale_stride + g];
                sum = fmaf((float)exact, scale, sum);
            }
            sums[t * QK_TILE_ROWS + r] = sum;
        }
    }
}

// One token at a time: nothing is shared, so any count would do.
const qk_linear_ops qk_linear_scalar = {.tile_tokens = 8, .q8_tile = q8_tile};
