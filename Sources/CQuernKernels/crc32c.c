// CRC-32C: the SSE4.2 instruction where there is one, a table otherwise.
#include "quern_kernels.h"

#include <string.h>

static uint32_t crc_bytes(uint32_t crc, const uint8_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82F63B78 & -(crc & 1));
    }
    return crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_words(uint32_t crc, const uint8_t *data, size_t words) {
    uint64_t wide = crc;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, data + i * 8, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    return (uint32_t)wide;
}
#endif

uint32_t qk_crc32c(uint32_t crc, const void *data, size_t n) {
    const uint8_t *bytes = data;
    size_t done = 0;
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        crc = crc_words(crc, bytes, n / 8);
        done = n / 8 * 8;
    }
#endif
    return ~crc_bytes(crc, bytes + done, n - done);
}
