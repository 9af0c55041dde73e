// Unpacking of weight chunks into 64-byte registers, which the products with VNNI and those with tiles share. The includer has included immintrin.h and
// chosen the target.
#ifndef QUERN_LINEAR_ZMM_H
#define QUERN_LINEAR_ZMM_H

#include "ops.h"

// Chunks that are unpacked together, from 8 * bits bytes each.
enum { MOST_CHUNKS = 4 };
static inline int chunks_of(const int bits) { return bits == 8 ? 1 : bits == 4 ? 2 : 4; }

// The chunks at values as unsigned bytes, 128 higher than the weights.
static inline __attribute__((always_inline)) void unsigned_bytes(const int8_t *values, const int bits, __m512i *chunk) {
    const __m512i nibble = _mm512_set1_epi8(15), two = _mm512_set1_epi8(0x30);
    __m512i first = _mm512_loadu_si512(values);
    if (bits == 8) {
        chunk[0] = _mm512_xor_si512(first, _mm512_set1_epi8((char)0x80));
        return;
    }
    chunk[0] = _mm512_and_si512(first, nibble);
    chunk[1] = _mm512_and_si512(_mm512_srli_epi16(first, 4), nibble);
    if (bits == 6) {
        __m512i second = _mm512_loadu_si512(values + 64), high = _mm512_loadu_si512(values + 128);
        chunk[2] = _mm512_and_si512(second, nibble);
        chunk[3] = _mm512_and_si512(_mm512_srli_epi16(second, 4), nibble);
        chunk[0] = _mm512_or_si512(chunk[0], _mm512_and_si512(_mm512_slli_epi16(high, 4), two));
        chunk[1] = _mm512_or_si512(chunk[1], _mm512_and_si512(_mm512_slli_epi16(high, 2), two));
        chunk[2] = _mm512_or_si512(chunk[2], _mm512_and_si512(high, two));
        chunk[3] = _mm512_or_si512(chunk[3], _mm512_and_si512(_mm512_srli_epi16(high, 2), two));
    }
    const __m512i sign = _mm512_set1_epi8(bits == 4 ? 8 : 32), lift = _mm512_set1_epi8(bits == 4 ? 120 : 96);
    for (int i = 0; i < chunks_of(bits); i++) chunk[i] = _mm512_add_epi8(_mm512_xor_si512(chunk[i], sign), lift);
}

#endif
