// The internal operation tables: what one instruction set must provide, per row or per tile. Threads are not their concern.
#ifndef QUERN_OPS_H
#define QUERN_OPS_H

#include "quern_kernels.h"

enum {
    QK_TILE_ROWS = 16,          // rows of a weight tile
    QK_BLOCK_TOKENS = 64,       // tokens that share one expansion of packed weights
    QK_GATE_TOKENS = 32,        // tokens whose gates and ups are held at once
    QK_ATTEND_ROWS = 256,       // most query heads (of all tokens of a run) that one call of attend takes
    QK_ATTEND_TILE = 32,        // how many it takes where there is a choice
    QK_MAX_HEAD_DIM = 256,
};

// How a pass over weights asks memory for those that follow.
typedef enum {
    QK_ASK_NOTHING,  // an earlier pass has brought them near
    QK_ASK_PAST,     // no other pass will need them: they pass by the caches
    QK_ASK_SECOND,   // they come into the second cache
    QK_ASK_KEEP,
} qk_asking;

enum { QK_ASK_BYTES = 16384 };  // how far ahead

// Columns of one weight tile, and how far apart the tokens are that meet them.
typedef struct {
    const int8_t *values;
    const uint16_t *scales;
    int64_t groups;        // in the panel
    int32_t group;
    int32_t bits;          // 8 unless the operations read packed weights
    int64_t x_stride;      // activations between two tokens
    int64_t scale_stride;  // activation scales between two tokens
    const int8_t *next;    // weights that will be read after these
    qk_asking asking;
} qk_panel;

// The group whose beginning is where asking ahead leaves the panel for `next`.
static inline int64_t qk_last_asking_group(const qk_panel *w) {
    int64_t ahead = QK_ASK_BYTES / (QK_TILE_ROWS * w->group * w->bits / 8);
    return w->groups > ahead ? w->groups - ahead : 0;
}

// How to ask for what is read once. Intel's non-temporal hint fills the first cache alone, whose sixteen or so misses under way
// carry less than half of what the second cache's do; on AMD's Zen 5 passing by is as fast and keeps the caches for the rest.
static inline qk_asking qk_ask_once(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_is("intel")) return QK_ASK_SECOND;
#endif
    return QK_ASK_PAST;
}

static inline void qk_ask(const int8_t *ahead, qk_asking asking) {
    if (asking == QK_ASK_PAST) __builtin_prefetch(ahead, 0, 0);
    if (asking == QK_ASK_SECOND) __builtin_prefetch(ahead, 0, 2);
    if (asking == QK_ASK_KEEP) __builtin_prefetch(ahead, 0, 3);
}

// Products of int8 weights and integer activations, one weight tile (16 rows) at a time.
typedef struct {
    int32_t tile_tokens;    // tokens taken at once, a divisor of QK_GATE_TOKENS
    int32_t packed_tokens;  // most tokens for which panels of 6 and 4 bits need not be expanded

    // Called by every worker around a region's products; NULL where nothing is to be prepared.
    void (*begin)(int32_t group);
    void (*end)(void);

    // sums[t * 16 + r] = fma(isum, w_scale * x_scale, sum) over the panel's groups, ascending, for 16 rows and tokens
    // 1...tile_tokens. NULL where 16-bit activations are planes.
    void (*q8_tile)(const qk_panel *w, const int16_t *x, const float *x_scales, int32_t tokens, float *sums);

    // The same sums for 8-bit activations in bytes (see qk_activations); NULL where bytes are not multiplied faster.
    void (*q8_tile_bytes)(const qk_panel *w, const int8_t *x, const float *x_scales, const int32_t *x_offsets, int32_t tokens,
                          float *sums);

    // The same sums for 16-bit activations in planes; NULL where they are pairs. May read 15 rows past the last token, and write
    // as many sums.
    void (*q8_tile_planes)(const qk_panel *w, const int8_t *x, const float *x_scales, const int32_t *x_offsets, int32_t tokens,
                           float *sums);

    int64_t (*multiply_wall)(int64_t rounds);  // multiply-accumulates done on registers; NULL where there is no probe
} qk_linear_ops;

// One head of a Gated DeltaNet layer over the tokens of a run; strides count floats from one token to the next.
typedef struct {
    const float *q, *k, *v;  // q and k of unit length
    int64_t ldv;             // of all three
    const float *gates;      // how much is written, how much is kept
    int64_t ldg;
    const float *z;
    float *out;
    int64_t ldo;             // of z and out
    const float *norm;
    float epsilon;
    float *state;            // [value_dim / 32][key_dim][32]
    int32_t count, key_dim, value_dim;
} qk_delta_head;

// Everything that works on rows of floats.
typedef struct {
    qk_weight_fit (*quantize_weights)(const float *weights, int32_t group, int32_t bits, int8_t *values, uint16_t *scale);
    // Packed chunks to chunks of int8.
    void (*expand_chunks)(const uint8_t *packed, int64_t chunks, int32_t bits, int8_t *values);
    // limit: the largest integer, 32767 or 127.
    void (*quantize_row)(const float *x, int64_t columns, int64_t k_padded, int32_t group, float limit, int16_t *values,
                         float *scales);
    void (*quantize_row_planes)(const float *x, int64_t columns, int64_t k_padded, int32_t group, int8_t *values, float *scales,
                                int32_t *offsets);
    void (*quantize_row_bytes)(const float *x, int64_t columns, int64_t k_padded, int32_t group, int8_t *values, float *scales,
                               int32_t *offsets);
    void (*rmsnorm_row)(const float *x, const float *weight, float *y, int64_t n, float epsilon);
    void (*rope_row)(float *x, const float *cosine, const float *sine, int32_t heads, int32_t head_dim, int32_t rotary_dim);
    void (*swiglu_row)(const float *gate, const float *up, float *out, int64_t n);
    void (*add)(float *y, const float *x, int64_t n);
    int64_t (*argmax)(const float *x, int64_t n);
    int64_t (*first_at_least)(const float *x, int64_t start, int64_t n, float floor);
    uint64_t (*read_sum)(const uint64_t *data, size_t words);

    void (*store_half)(const float *x, uint16_t *y, int64_t n);
    // One key head and `count` tokens of one sequence at consecutive positions: token t's query heads start at q + t * ldq.
    void (*attend)(const float *q, int64_t ldq, float *out, int64_t ldo, const qk_token_ref *tokens, int32_t count,
                   int32_t group_heads, int32_t kv_head, const qk_kv_layer *layer, float scale, float *scratch);

    // inputs: `size` rows of `width` floats, a multiple of 8; weights [size, width].
    void (*convolve_row)(const float *const *inputs, const float *weights, int32_t size, int64_t width, float *out);
    void (*normalize_head)(float *x, int64_t n, float scale);
    void (*delta_head)(const qk_delta_head *head);

    // y[r] = dot(w + r * n, x)
    void (*float_dots)(const float *w, int64_t rows, int64_t n, const float *x, float *y);
    // y = y + weight * x
    void (*scaled_add)(float *y, const float *x, float weight, int64_t n);
    void (*softmax)(float *x, int64_t n);
    // x *= sigmoid(gate)
    void (*gate)(float *x, const float *gate, int64_t n);
} qk_row_ops;

// The orthonormal Walsh-Hadamard transform of each of x's power-of-two blocks, the largest that divide n. Products of two rotated
// vectors are those of the vectors; a channel far larger than the others, which would cost an 8-bit scale its
// precision, is spread over all of them (QuaRot, arXiv 2404.00456).
static inline void qk_rotate_head(float *x, int64_t n) {
    int64_t block = n & -n;
    float scale = 1.0f / __builtin_sqrtf((float)block);
    for (int64_t start = 0; start < n; start += block) {
        for (int64_t half = 1; half < block; half *= 2) {
            for (int64_t i = start; i < start + block; i += 2 * half) {
                for (int64_t j = i; j < i + half; j++) {
                    float a = x[j], b = x[j + half];
                    x[j] = a + b;
                    x[j + half] = a - b;
                }
            }
        }
        for (int64_t j = start; j < start + block; j++) x[j] *= scale;
    }
}

struct qk_ops {
    const char *name;
    const qk_linear_ops *linear;
    const qk_row_ops *rows;
};

extern const qk_linear_ops qk_linear_scalar;
extern const qk_row_ops qk_rows_scalar;
#if defined(__x86_64__)
extern const qk_linear_ops qk_linear_avx2, qk_linear_avxvnni, qk_linear_avx512vnni, qk_linear_amx;
extern const qk_row_ops qk_rows_avx2, qk_rows_avx512;
#elif defined(__aarch64__)
extern const qk_linear_ops qk_linear_neon, qk_linear_neondot;
extern const qk_row_ops qk_rows_neon;
#endif

#endif
