// The int8 products of any aarch64 processor.
#if defined(__aarch64__)
#include "linear_neon.h"

const qk_linear_ops qk_linear_neon = {.tile_tokens = TILE_TOKENS, .q8_tile = q8_tile, .multiply_wall = multiply_wall};
#endif
