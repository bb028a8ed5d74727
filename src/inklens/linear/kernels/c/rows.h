/* Which rows of a matrix a thread takes. */
#ifndef INKLENS_ROWS_H
#define INKLENS_ROWS_H

#include <string.h>

#include "kernels.h"

enum { TILE = 16 };            /* rows per tile */
enum { MOST_GATHERED = 8192 };  /* columns of dense bytes that are gathered by groups: 2.7 MB for each thread */

static inline int gathers(const rows_t *rows) {
  return rows->layout == DENSE_SKIP && rows->value_type == U8 && rows->n_features <= MOST_GATHERED;
}

static inline int64_t first_row(const rows_t *rows, int thread, int n_threads) {
  /* equal shares of the non-zeros, in whole tiles or panels */
  int64_t n = rows->n_rows, at = n * thread / n_threads;
  if (thread == n_threads) return n;
  if (rows->layout >= CSR16 && n > 0) {
    int64_t base = rows->indptr[0], want = base + (rows->indptr[n] - base) / n_threads * thread, low = 0, high = n;
    while (low < high) {
      int64_t middle = (low + high) / 2;
      if (rows->indptr[middle] < want) low = middle + 1; else high = middle;
    }
    at = low;
  }
  int64_t whole = rows->panel_starts || gathers(rows) ? PANEL : TILE;
  return at / whole * whole;
}

#endif
