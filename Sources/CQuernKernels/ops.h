// The internal operation table: what one instruction set must provide, per row or per tile. Threads are not its concern.
#ifndef QUERN_OPS_H
#define QUERN_OPS_H

#include "quern_kernels.h"

enum {
    QK_TILE_ROWS = 16,   // rows of a weight tile
    QK_TILE_TOKENS = 4,  // tokens that share one pass over a weight tile
};

struct qk_ops {
    const char *name;

    // sums[t * 16 + r] = sum over groups, ascending, of fma(isum, w_scale * x_scale, sum) for 16 rows and
    // tokens 1...QK_TILE_TOKENS. values: one tile; x, x_scales: first token, strides k and k / group.
    void (*q8_tile)(const int8_t *values, const uint16_t *scales, const int16_t *x, const float *x_scales, int64_t k,
                    int32_t group, int32_t tokens, float *sums);
    void (*quantize_row)(const float *x, int64_t columns, int64_t k_padded, int32_t group, int16_t *values, float *scales);

    void (*rmsnorm_row)(const float *x, const float *weight, float *y, int64_t n, float epsilon);
    void (*rope_row)(float *x, const float *cosine, const float *sine, int32_t heads, int32_t head_dim);
    void (*swiglu_row)(const float *gate, const float *up, float *out, int64_t n);
    void (*add)(float *y, const float *x, int64_t n);
    int64_t (*argmax)(const float *x, int64_t n);
    uint64_t (*read_sum)(const uint64_t *data, size_t words);

    void (*store_half)(const float *x, uint16_t *y, int64_t n);
    // One token, one kv head: q and out are [group_heads, head_dim], contiguous heads.
    void (*attend)(const float *q, float *out, qk_token_ref token, int32_t group_heads, int32_t kv_head,
                   const qk_kv_layer *layer, float scale, float *scratch);
};

extern const qk_ops qk_ops_scalar;
#if defined(__x86_64__)
extern const qk_ops qk_ops_avx2;
extern const qk_ops qk_ops_avx512vnni;
#endif

// Shared by the tables: AVX-512 adds a matrix product and takes everything else from AVX2.
#if defined(__x86_64__)
void qk_quantize_row_avx2(const float *, int64_t, int64_t, int32_t, int16_t *, float *);
void qk_rmsnorm_row_avx2(const float *, const float *, float *, int64_t, float);
void qk_rope_row_avx2(float *, const float *, const float *, int32_t, int32_t);
void qk_swiglu_row_avx2(const float *, const float *, float *, int64_t);
void qk_add_avx2(float *, const float *, int64_t);
int64_t qk_argmax_avx2(const float *, int64_t);
uint64_t qk_read_sum_avx2(const uint64_t *, size_t);
void qk_store_half_avx2(const float *, uint16_t *, int64_t);
void qk_attend_avx2(const float *, float *, qk_token_ref, int32_t, int32_t, const qk_kv_layer *, float, float *);
#endif

#endif
