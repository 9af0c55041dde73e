// IEEE half precision in plain C: the specification of what F16C instructions do (round to nearest even).
#ifndef QUERN_HALF_H
#define QUERN_HALF_H

#include <stdint.h>
#include <string.h>

static inline float qk_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 0x1F;
    uint32_t mantissa = half & 0x3FF;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7F800000 | (mantissa << 13) | (mantissa ? 0x400000 : 0);
    } else if (exponent != 0) {
        bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
    } else {
        float magnitude = (float)mantissa * 0x1p-24f;  // zero or subnormal, exact
        memcpy(&bits, &magnitude, 4);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint16_t qk_float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return sign | 0x7E00 | (uint16_t)((magnitude >> 13) & 0x3FF);
    if (magnitude >= 0x477FF000) return sign | 0x7C00;  // rounds to infinity
    if (magnitude < 0x38800000) {                       // subnormal or zero: let the float adder round
        float absolute, shifted;
        memcpy(&absolute, &magnitude, 4);
        shifted = absolute + 0.5f;                      // the unit of 0.5's binade is 2^-24
        uint32_t rounded;
        memcpy(&rounded, &shifted, 4);
        return sign | (uint16_t)(rounded - 0x3F000000);
    }
    uint32_t odd = (magnitude >> 13) & 1;
    return sign | (uint16_t)((magnitude + 0xC8000FFF + odd) >> 13);
}

#endif
