// Float weights to groups of integers, compiled per instruction set like rows_template.h.
//
// The error of a scale is a sum over lanes in one fixed order, so every build chooses the same scale.
#include "half.h"
#include "lanes.h"

struct QK_NAME(fit) {
    float error;    // squared
    float optimum;  // the scale that fits the same integers best
};

// The integers of a number of bits, and the magnitudes on which the largest weight is tried.
struct QK_NAME(range) {
    float lowest, highest;
    float first_target, target_step;
    int signs;  // 2: the scale may be negative, so that the largest weight of either sign can be the lowest integer
};

static inline struct QK_NAME(range) QK_NAME(range_of)(int32_t bits) {
    switch (bits) {
        case 4: return (struct QK_NAME(range)){-8, 7, 5.5f, 0.046875f, 2};
        case 6: return (struct QK_NAME(range)){-32, 31, 27, 0.078125f, 2};
        default: return (struct QK_NAME(range)){-127, 127, 112, 0.25f, 1};
    }
}

static inline f16 QK_NAME(round16)(f16 x, struct QK_NAME(range) range) {
    const f16 magic = splat16(12582912.0f);  // 1.5 * 2^23: rounds to nearest, ties to even
    f16 q = (x + magic) - magic;
    q = select16(q > splat16(range.highest), splat16(range.highest), q);
    return select16(q < splat16(range.lowest), splat16(range.lowest), q);
}

static inline struct QK_NAME(fit) QK_NAME(try_scale)(const float *w, int32_t group, float scale, struct QK_NAME(range) range) {
    f16 inverse = splat16(1.0f / scale), error = {0}, product = {0}, square = {0};
    for (int32_t k = 0; k < group; k += 16) {
        f16 weight = load16(w + k), q = QK_NAME(round16)(weight * inverse, range), difference = weight - q * splat16(scale);
        error = fma16(difference, difference, error);
        product = fma16(weight, q, product);
        square = fma16(q, q, square);
    }
    float mass = sum16(square);
    return (struct QK_NAME(fit)){sum16(error), mass > 0 ? sum16(product) / mass : 0};
}

static qk_weight_fit QK_NAME(qk_quantize_weights)(const float *w, int32_t group, int32_t bits, int8_t *values, uint16_t *scale) {
    enum { TARGETS = 80 };
    const struct QK_NAME(range) range = QK_NAME(range_of)(bits);
    float largest = 0;
    f16 squares = {0};
    for (int32_t k = 0; k < group; k += 16) squares = fma16(load16(w + k), load16(w + k), squares);
    for (int32_t k = 0; k < group; k++) largest = fabsf(w[k]) > largest ? fabsf(w[k]) : largest;
    qk_weight_fit result = {0, sum16(squares), 0};
    float best = 0, least = INFINITY, refit = 0;
    for (int i = 0; i < TARGETS * range.signs; i++) {
        float target = range.first_target + range.target_step * (float)(i % TARGETS);
        float candidate = qk_half_to_float(qk_float_to_half((i < TARGETS ? largest : -largest) / target));
        if (!(candidate != 0) || candidate == best || isinf(candidate)) continue;
        struct QK_NAME(fit) fit = QK_NAME(try_scale)(w, group, candidate, range);
        if (fit.error < least) {
            best = candidate;
            least = fit.error;
            refit = fit.optimum;
            if (least == 0) break;  // the weights were on this grid before
        }
    }
    refit = qk_half_to_float(qk_float_to_half(refit));
    if (refit != 0 && !isinf(refit) && QK_NAME(try_scale)(w, group, refit, range).error < least) best = refit;
    *scale = qk_float_to_half(best);
    for (int32_t k = 0; k < group; k += 16) {
        f16 weight = load16(w + k);
        f16 q = best != 0 ? QK_NAME(round16)(weight * splat16(1.0f / best), range) : splat16(0.0f);
        f16 difference = weight - q * splat16(best);
        result.squared_error += sum16(difference * difference);
        for (int i = 0; i < 16; i++) {
            values[k + i] = (int8_t)q[i];
            result.largest_error = fabsf(difference[i]) > result.largest_error ? fabsf(difference[i]) : result.largest_error;
        }
    }
    return result;
}
