// The whole C interface of quern's kernels: int8 matrix products, attention, element-wise operations, the worker pool.
//
// Owns: arithmetic and the threads that run it. Does not own: memory (every pointer is the caller's), shapes (the caller
// validates them), files. Prefix qk_, names <object>_<verb>.
//
// Invariants
//  1. Batch invariance: the result for one (row, token) is bit-identical for every m, chunk boundary, thread count and
//     instruction set. Integer sums inside a group are exact; the float part runs group by group in ascending k with one
//     fused multiply-add per group, everywhere.
//  2. Weights are in -127...127. Groups are 32 or 64 columns; a group's int32 sum of int8 x int16 cannot overflow.
//  3. The scalar functions are the specification; every other instruction set is tested against them.
#ifndef QUERN_KERNELS_H
#define QUERN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- instruction sets ------------------------------------------------------------------------------------------------

typedef struct qk_ops qk_ops;

// The table for `requested` ("scalar", "avx2", "avxvnni", "avx512vnni", "amx", "neon", "neondot"; NULL = best this processor and OS support).
// NULL when the name is unknown or the processor lacks it.
const qk_ops *qk_ops_resolve(const char *requested);
const char *qk_ops_name(const qk_ops *ops);
// Name of the i-th instruction set this processor supports, slowest first; NULL past the end.
const char *qk_ops_supported(int i);

// ---- worker pool -----------------------------------------------------------------------------------------------------

// A fixed set of threads; the caller of qk_pool_run is worker 0. Idle workers spin for a few tens of microseconds, then sleep on a
// futex, so that a pool never starves the other threads of a small machine.
typedef struct qk_pool qk_pool;

// threads >= 1, counting the caller; fewer when the system gives no more. NULL when there is no memory.
qk_pool *qk_pool_create(int threads);
void qk_pool_destroy(qk_pool *pool);
int qk_pool_thread_count(const qk_pool *pool);
// Runs work(context, worker, workers) and returns when it is done: once on every worker, or on the caller alone after a
// worker's processor was lost to another process. So `work` must take items until none is left. Not re-entrant.
void qk_pool_run(qk_pool *pool, void (*work)(void *context, int worker, int workers), void *context);

// How many of `wanted` threads, at most 256, the system would start now: it starts them and ends them again.
int qk_spare_threads(int wanted);

// Processors this process may run on by its affinity mask; 0 when the mask cannot be read.
int qk_affinity_count(void);

// ---- int8 weights x int16 or int8 activations -----------------------------------------------------------------------------

// Weights in tiles of 16 rows: values[((row/16)*(k_padded/4) + k/4)*64 + (row%16)*4 + k%4],
// scales[((row/16)*(k_padded/group) + k/group)*16 + row%16] (IEEE half bit patterns).
// Rows are padded with zero rows to a multiple of 16, columns with zeros to a multiple of group.
//
// With fewer bits the chunks of 64 (16 rows x 4 columns) are packed, in two's complement. 4 bits: two chunks in 64 bytes, the
// first in the low nibbles, the second in the high ones. 6 bits: four chunks in 192 bytes; the low four bits as before, 64
// bytes for the first two chunks and 64 for the others, then the high two bits, chunk i at bit 2i.
typedef struct {
    const int8_t *values;
    const uint16_t *scales;
    int64_t rows;      // real rows
    int64_t k_padded;  // columns rounded up to a multiple of group
    int32_t group;     // 32 or 64
    int32_t bits;      // 8, 6 or 4
} qk_q8_matrix;

// Activations of m tokens quantised per (token, group), with one float scale per group. With 16 bits they are int16 in
// -32767...32767, stored per 4 columns as x0 x2 x1 x3 (the order in which the even/odd split of the weights wants them), or, where
// the instruction set multiplies planes of bytes, per group as its high bytes followed by its low ones, x = 256 * high + low with
// high signed and low unsigned, and -128 times the sum of the high bytes as the group's offset.
// With 8 bits they lie in -127...127: where the instruction set multiplies bytes they are stored as int8 in column order, with
// -128 times their sum as the offset of the group (the weights enter as unsigned bytes, 128 higher); elsewhere like 16 bits.
typedef struct {
    int16_t *values;   // [m, k_padded]; 15 more rows may be read, and be anything
    float *scales;     // [m, k_padded / group]; the same
    int32_t *offsets;  // [m, k_padded / group]
    int32_t bits;      // 16 or 8
} qk_activations;

// Quantises x [m, columns] (row stride ldx floats) into out; columns past `columns` up to k_padded become zero.
void qk_quantize_rows(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, int64_t m, int64_t columns,
                      int64_t k_padded, int32_t group, qk_activations out);

typedef struct {
    qk_q8_matrix weights;
    float *y;           // [m, rows], row stride ldy
    int64_t ldy;
    const float *bias;  // [rows] or NULL; added after the last group
    int32_t accumulate; // non-zero: y += result (residual stream), else y = result
} qk_matmul_job;

// y_j = x W_j^T for every job, in one parallel region. All jobs share group and k_padded.
void qk_q8_matmul(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, const qk_matmul_job *jobs, int job_count);

// out = silu(gate x) * (up x), quantised in groups of gate's rows (the columns of the next product), in one parallel region.
// Of the jobs only weights and bias count; both have the same rows, group and k_padded.
void qk_q8_gated(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, const qk_matmul_job *gate,
                 const qk_matmul_job *up, qk_activations out);

// The weights of one group (group a multiple of 16, at most 64) as integers and an IEEE half scale. With 8 bits they lie in
// -127...127, with 6 in -32...31, with 4 in -8...7. The scale is searched: the largest magnitude on 80 candidates around the
// largest integer, of both signs below 8 bits, then a least-squares refit; the smallest squared error wins. The sums are not
// finite when a weight is not, or does not fit.
typedef struct {
    float squared_error, squared_weights;
    float largest_error;
} qk_weight_fit;

qk_weight_fit qk_quantize_weights(const qk_ops *ops, const float *weights, int32_t group, int32_t bits, int8_t *values,
                                  uint16_t *scale);

// Packs chunks of 64 integers (see qk_q8_matrix) to 4 or 6 bits; chunks is even, or a multiple of four.
void qk_pack_chunks(const int8_t *values, int64_t chunks, int32_t bits, uint8_t *out);

// One dequantised row (embedding lookup): out[0..<columns].
void qk_q8_row(const qk_ops *ops, const qk_q8_matrix *weights, int64_t row, int64_t columns, float *out);

// ---- element-wise ----------------------------------------------------------------------------------------------------

// y[i,:] = x[i,:] / sqrt(mean(x[i,:]^2) + epsilon) * weight, for m rows of n; row strides ldx, ldy. x == y allowed.
void qk_rmsnorm(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, const float *weight, float *y, int64_t ldy,
                int64_t m, int64_t n, float epsilon);

// Rotary embedding, half-split (NEOX) pairing, in place: x [m, heads, head_dim] with row stride ldx, of which the first rotary_dim
// of every head are rotated; cosine/sine [positions, rotary_dim/2]; positions [m].
void qk_rope(const qk_ops *ops, qk_pool *pool, float *x, int64_t ldx, const float *cosine, const float *sine,
             const int32_t *positions, int64_t m, int32_t heads, int32_t head_dim, int32_t rotary_dim);

// out[i,j] = silu(gate[i,j]) * up[i,j], m rows of n, row strides as given. out == gate allowed.
void qk_swiglu(const qk_ops *ops, qk_pool *pool, const float *gate, const float *up, float *out, int64_t ld, int64_t m,
               int64_t n);

// y += x, n floats.
void qk_add(const qk_ops *ops, float *y, const float *x, int64_t n);

// Index of the largest of n floats (the first on ties); -1 when any is NaN or the largest is not finite.
int64_t qk_argmax(const qk_ops *ops, const float *x, int64_t n);

// Index of the first of x[start..<n] that is at least floor; n when none is.
int64_t qk_first_at_least(const qk_ops *ops, const float *x, int64_t start, int64_t n, float floor);

// ---- paged attention -------------------------------------------------------------------------------------------------

typedef enum {
    QK_KV_FLOAT,
    QK_KV_HALF,
    // -127...127 with a float scale per position and head. Keys are kept as the difference from the block's first key, which
    // is kept as floats, after qk_rotate_head: what all keys of a neighbourhood share costs no precision.
    QK_KV_INT8,
} qk_kv_format;

// One layer's K and V inside the block pool. Block b starts block_stride * b elements into a plane; K is laid out
// [kv_heads, head_dim, block_size], V [kv_heads, block_size, head_dim].
typedef struct {
    void *k;
    void *v;
    float *k_scales;       // with int8: [blocks, kv_heads, block_size]
    float *v_scales;
    float *k_bases;        // with int8: [blocks, kv_heads, head_dim], the first key of every block
    int64_t block_stride;  // elements between consecutive blocks of this layer
    int32_t block_size;    // tokens per block (128)
    int32_t kv_heads;
    int32_t head_dim;      // multiple of 8, at most 256
    qk_kv_format format;
    int32_t window;        // last positions that a token attends to, its own included; 0 for all
} qk_kv_layer;

// One token of the step: which blocks hold its sequence, and where it stands.
typedef struct {
    const int32_t *block_table;
    int32_t position;      // attends to positions 0...position
} qk_token_ref;

// Writes rows i of k and v ([m, kv_heads, head_dim], strides ldk, ldv) into the cache at their positions.
void qk_kv_store(const qk_ops *ops, qk_pool *pool, const float *k, int64_t ldk, const float *v, int64_t ldv,
                 const qk_token_ref *tokens, int64_t m, qk_kv_layer layer);

// out [m, heads, head_dim] = softmax(q K^T * scale) V per token and head, grouped-query: heads is a multiple of kv_heads.
// Online softmax over whole blocks in ascending order, so chunking and threads never change bits.
// Tokens of one sequence should be neighbours in ascending position: they then share the reading of K and V.
// scratch: qk_attention_scratch_floats(...) floats per worker.
int64_t qk_attention_scratch_floats(int32_t heads, int32_t kv_heads, int32_t head_dim, int32_t block_size);
void qk_attention(const qk_ops *ops, qk_pool *pool, const float *q, int64_t ldq, float *out, int64_t ldo,
                  const qk_token_ref *tokens, int64_t m, int32_t heads, qk_kv_layer layer, float scale, float *scratch);

// ---- gated delta rule ------------------------------------------------------------------------------------------------

// A Gated DeltaNet layer (arXiv 2412.06464). Widths: keys key_heads * key_dim, values value_heads * value_dim, inputs two of the
// first and one of the second. key_dim is a multiple of 8, value_dim of 32, convolution at most 8.
typedef struct {
    int32_t key_heads, value_heads, key_dim, value_dim;
    int32_t convolution;   // inputs that the causal convolution sees
    int32_t tiled;         // value head v reads key head v % key_heads, else v / (value_heads / key_heads)
    float epsilon;
    const float *weights;  // [convolution, input width], oldest input first
    const float *rates;    // [value_heads]: minus e^A_log
    const float *dt_bias;  // [value_heads]
    const float *norm;     // [value_dim]
} qk_deltanet;

// Tokens of a step that follow each other in one sequence, and the state that the sequence has in this layer:
// qk_deltanet_state_floats floats, zero before its first token.
typedef struct {
    int32_t first, count;
    float *state;
} qk_run;

typedef struct {
    const float *qkv;  // [m, input width]: queries, keys, values as projected
    const float *z;    // [m, value width]: output gates
    const float *b;    // [m, value_heads]: write gates
    const float *a;    // [m, value_heads]: forget gates
    float *mixed;      // [m, input width], scratch
    float *gates;      // [m, value_heads, 2], scratch
    float *out;        // [m, value width]
} qk_deltanet_step;

int64_t qk_deltanet_state_floats(const qk_deltanet *layer);

// Everything between the projections: convolution, SiLU, unit queries and keys, the gated delta rule, gated RMS norm. The runs
// are in the order of their tokens and cover the step.
void qk_deltanet_forward(const qk_ops *ops, qk_pool *pool, const qk_deltanet *layer, const qk_run *runs, int32_t run_count,
                         qk_deltanet_step step);

// ---- mixtures of experts ---------------------------------------------------------------------------------------------

// y[i, r] = dot(w[r, :], x[i, :]) in floats: the small matrices that choose and gate. Row strides ldx and ldy.
void qk_float_matmul(const qk_ops *ops, qk_pool *pool, const float *x, int64_t ldx, int64_t m, const float *w, int64_t rows,
                     int64_t n, float *y, int64_t ldy);

// Which experts the tokens of a step pass through. A pair is a token with one of its experts; pairs are sorted by expert, then
// by token.
typedef struct {
    int32_t experts;     // in the layer
    int32_t per_token;
    int32_t *expert;     // [m, per_token], the likeliest first
    float *weight;       // [m, per_token]
    int32_t *pair;       // [m, per_token]: place among the pairs
    int32_t *token;      // [m * per_token], by pair
    int32_t *first;      // [experts + 1]: an expert's pairs begin here
} qk_routing;

// Fills the routing from logits [m, experts]: softmax, the largest per_token (the first on ties), divided by their sum when
// `normalizes`.
void qk_route(const qk_ops *ops, const float *logits, int64_t m, int32_t normalizes, qk_routing routing);

// The experts of a layer one after the other in each matrix: gate and up [experts * size, hidden], down [experts * hidden, size].
// size and hidden are multiples of 16.
typedef struct {
    qk_q8_matrix gate, up, down;
    int64_t hidden;  // rows of one expert in down
    int64_t size;    // rows of one expert in gate and up
} qk_q8_experts;

// out[pair] = down(silu(gate x) * up x) of the pair's expert and token. x are the tokens' activations with 16 bits, gathered and
// inner scratch of as many rows as pairs, of gate's and down's columns; out [pairs, hidden].
void qk_q8_experts_forward(const qk_ops *ops, qk_pool *pool, qk_activations x, int64_t m, qk_routing routing,
                           const qk_q8_experts *experts, qk_activations gathered, qk_activations inner, float *out);

// y[i, :] += sum of a token's pairs by weight, and of shared[i, :] times sigmoid(gate[i]) where shared is not NULL.
void qk_combine_experts(const qk_ops *ops, qk_pool *pool, const float *pairs, qk_routing routing, const float *shared,
                        const float *gate, float *y, int64_t m, int64_t n);

// x[i] *= sigmoid(gate[i]), n floats.
void qk_gate(const qk_ops *ops, qk_pool *pool, float *x, const float *gate, int64_t n);

// ---- bytes -----------------------------------------------------------------------------------------------------------

// CRC-32C (Castagnoli, reflected, as in RFC 3720), continuing from crc (0 to start).
uint32_t qk_crc32c(uint32_t crc, const void *data, size_t n);

// Sum of n/8 64-bit words read with plain loads by every worker: the read-only bandwidth probe.
uint64_t qk_read_sum(const qk_ops *ops, qk_pool *pool, const void *data, size_t n);

// ---- walls -----------------------------------------------------------------------------------------------------------

// Spends about the returned number of clock cycles on one thread: cycles over seconds is the clock.
int64_t qk_probe_cycles(int64_t rounds);
// Runs the fastest exact 16-bit multiply-accumulate on registers, on every worker; returns multiply-accumulates done,
// 0 when the instruction set has no such probe.
int64_t qk_probe_multiply(const qk_ops *ops, qk_pool *pool, int64_t rounds);

#ifdef __cplusplus
}
#endif
#endif
