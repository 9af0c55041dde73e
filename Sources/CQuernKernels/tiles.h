// The tile products of all instruction sets; the tables in rows_*.c and linear_avx512vnni.c pick among them.
#ifndef QUERN_TILES_H
#define QUERN_TILES_H

#include "ops.h"

void qk_q8_tile_scalar(const int8_t *, const uint16_t *, const int16_t *, const float *, int64_t, int32_t, int32_t, float *);
void qk_q8_tile_avx2(const int8_t *, const uint16_t *, const int16_t *, const float *, int64_t, int32_t, int32_t, float *);

#endif
