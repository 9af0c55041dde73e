// The table of one build of the row operations; included last by every rows_*.c.
const qk_row_ops QK_NAME(qk_rows) = {
    .expand_chunks = QK_NAME(qk_expand_chunks),
    .quantize_weights = QK_NAME(qk_quantize_weights),
    .quantize_row = QK_NAME(qk_quantize_row),
    .quantize_row_bytes = QK_NAME(qk_quantize_row_bytes),
    .rmsnorm_row = QK_NAME(qk_rmsnorm_row),
    .rope_row = QK_NAME(qk_rope_row),
    .swiglu_row = QK_NAME(qk_swiglu_row),
    .add = QK_NAME(qk_add),
    .argmax = QK_NAME(qk_argmax),
    .read_sum = QK_NAME(qk_read_sum),
    .store_half = QK_NAME(qk_store_half),
    .attend = QK_NAME(qk_attend),
};
