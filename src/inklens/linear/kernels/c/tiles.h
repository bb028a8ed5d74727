/* Sums of products of float rows in registers, a tile of TALL x WIDE at a time. */
#ifndef INKLENS_TILES_H
#define INKLENS_TILES_H

#include <string.h>

#include "kernels.h"

typedef float lanes_t __attribute__((vector_size(VECTOR_BYTES)));
enum { LANES = VECTOR_BYTES / 4 };
/* A tile of sums that fits the registers: TALL x WIDE, WIDE = 3 vectors, or fewer at the end of a row. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { TALL = 8 };
#else
enum { TALL = 4 };
#endif
enum { WIDE = 3 * LANES, WHOLE = (int)LANES > (int)TALL ? (int)LANES : (int)TALL, DEPTH = 128 };

typedef uint64_t mask_t[DEPTH / 64]; /* rows of a tile that count: bit r % 64 of number r / 64 */

/* out (TALL, parts vectors) += a' B over the rows in both masks, where a holds TALL numbers a row and B the rows from
 * `side` on; only the first `tall` x `wide` of it exist. */
static inline __attribute__((always_inline)) void add_tile(const uint64_t *left, const uint64_t *right, const float *a,
                                                           const float **rows, int64_t side, float *out,
                                                           int64_t stride, int tall, int wide, const int parts) {
  lanes_t sum[TALL][3] = {{{0}}};
  for (int word = 0; word < DEPTH / 64; word++)
    for (uint64_t rest = left[word] & right[word]; rest; rest &= rest - 1) {
      int r = 64 * word + __builtin_ctzll(rest);
      const float *own = a + r * TALL;
      const lanes_t *b = (const lanes_t *)(rows[r] + side);
#pragma GCC unroll 8
      for (int i = 0; i < TALL; i++)
        for (int v = 0; v < parts; v++) sum[i][v] += own[i] * b[v];
    }
  for (int i = 0; i < tall; i++) {
    float line[WIDE];
    memcpy(line, sum[i], sizeof line);
    for (int j = 0; j < wide; j++) out[i * stride + j] += line[j];
  }
}

static inline void add_multiple(int64_t n, double factor, const float *restrict row, double *restrict out) {
  for (int64_t m = 0; m < n; m++) out[m] += factor * row[m];
}

#endif
