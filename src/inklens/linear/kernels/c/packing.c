/* Reading a dense matrix once: is it finite, which columns vary, how many entries are not zero; and packing it as CSR.
 *
 * Floating-point pixels that are whole multiples of one unit become bytes.
 *
 * Integers are 64 bits wide at this border. Types: 0 uint8, 1 float, 2 double, as in kernels.c. Rows have unit column stride.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define DEFINE_INSPECT(TYPE, NAME, INTEGER) \
static int64_t inspect_##NAME(const TYPE *x, int64_t n, int64_t p, int64_t stride, double *low_out, double *high_out, \
                              TYPE *low, TYPE *high, int64_t *row_nonzeros) { \
  for (int64_t j = 0; j < p; j++) low[j] = high[j] = n ? x[j] : 0; \
  int64_t bad = -1; \
  for (int64_t i = 0; i < n; i++) { \
    const TYPE *row = x + i * stride; \
    INTEGER count = 0; \
    INTEGER poison = 0; \
    for (int64_t j = 0; j < p; j++) { \
      TYPE v = row[j]; \
      low[j] = v < low[j] ? v : low[j]; \
      high[j] = v > high[j] ? v : high[j]; \
      count += v != 0; \
      poison |= v * 0 != 0; \
    } \
    row_nonzeros[i] = count; \
    if (poison) { bad = i; break; } /* NaN * 0 and inf * 0 are NaN, and NaN != 0 */ \
  } \
  for (int64_t j = 0; j < p; j++) low_out[j] = (double)low[j], high_out[j] = (double)high[j]; \
  return bad; \
}
DEFINE_INSPECT(uint8_t, u8, int32_t)
DEFINE_INSPECT(float, f32, int32_t)
DEFINE_INSPECT(double, f64, int64_t)

/* Column minima and maxima, non-zeros of each row; returns the first row that is not finite, or -1.
 * `scratch` holds 2 * p doubles. */
int64_t EXPORT(inspect)(const void *values, int64_t type, int64_t n, int64_t p, int64_t stride, double *low,
                        double *high, void *scratch, int64_t *row_nonzeros) {
  if (type == U8)
    return inspect_u8(values, n, p, stride, low, high, scratch, (uint8_t *)scratch + p, row_nonzeros);
  if (type == F32) return inspect_f32(values, n, p, stride, low, high, scratch, (float *)scratch + p, row_nonzeros);
  return inspect_f64(values, n, p, stride, low, high, scratch, (double *)scratch + p, row_nonzeros);
}

/* Write the non-zeros of each row as (value, column); returns whether every value survived its conversion. */
#define DEFINE_PACK(FROM, TO, NAME) \
static int pack_##NAME(const FROM *x, int64_t n, int64_t p, int64_t stride, int64_t at, void *columns, int narrow, \
                       TO *values) { \
  int exact = 1; \
  for (int64_t i = 0; i < n; i++) { \
    const FROM *row = x + i * stride; \
    for (int64_t j = 0; j < p; j++) { \
      if (sizeof(FROM) == 1 && j + 8 <= p) { /* runs of paper: eight zeros at a time */ \
        uint64_t eight; \
        memcpy(&eight, row + j, 8); \
        if (!eight) { j += 7; continue; } \
      } \
      FROM v = row[j]; \
      if (v == 0) continue; \
      values[at] = (TO)v; \
      if (narrow) ((uint16_t *)columns)[at] = (uint16_t)j; else ((int32_t *)columns)[at] = (int32_t)j; \
      exact &= (FROM)(TO)v == v; \
      at++; \
    } \
  } \
  return exact; \
}
DEFINE_PACK(uint8_t, uint8_t, u8)
DEFINE_PACK(float, float, f32)
DEFINE_PACK(double, float, f64)

/* Pack dense rows from entry `at` on: uint8 stays uint8, float and double become float. */
int64_t EXPORT(pack)(const void *values, int64_t type, int64_t n, int64_t p, int64_t stride, int64_t at, void *columns,
                 int64_t narrow, void *packed) {
  if (type == U8) return pack_u8(values, n, p, stride, at, columns, narrow, packed);
  if (type == F32) return pack_f32(values, n, p, stride, at, columns, narrow, packed);
  return pack_f64(values, n, p, stride, at, columns, narrow, packed);
}

/* Write every value as that whole multiple of `unit`, 0 to 255, which it is up to `error`, relatively; 0 if one is none. */
int64_t EXPORT(to_bytes)(const double *values, int64_t n, int64_t p, int64_t stride, const double *unit,
                         const double *error, uint8_t *bytes) {
  const double size = *unit, inverse = 1.0 / size, allowed = *error;
  for (int64_t i = 0; i < n; i++) {
    const double *row = values + i * stride;
    uint8_t *out = bytes + i * p;
    int good = 1;
    for (int64_t j = 0; j < p; j++) {
      double multiple = row[j] * inverse;
      int32_t q = multiple >= 0.0 && multiple < 255.4 ? (int32_t)(multiple + 0.5) : 0;
      double off = q * size - row[j];
      good &= (off < 0.0 ? -off : off) <= allowed * row[j]; /* false for NaN, and for what is negative */
      out[j] = (uint8_t)q;
    }
    if (!good) return 0;
  }
  return 1;
}

/* Lay the entries of CSR rows (columns ascending) out by groups of `cols` columns within panels of PANEL rows, see rows_t.
 *
 * A first call without `values` fills `starts`; its last number is the count of entries. 0, or 1 without memory. */
int64_t EXPORT(make_panels)(const void *source, int64_t value_size, const void *columns, int64_t column_size,
                            const int64_t *indptr, int64_t n, int64_t p, int64_t cols, int64_t *starts, void *values,
                            uint8_t *rows) {
  int64_t n_groups = (p + cols - 1) / cols, total = 0;
  int64_t *next = malloc((n_groups + 1) * sizeof(int64_t));
  if (!next) return 1;
  for (int64_t first = 0; first < n; first += PANEL, starts += n_groups + 1) {
    int64_t last = first + PANEL < n ? first + PANEL : n;
    if (value_size == 0) memset(starts, 0, (n_groups + 1) * sizeof(int64_t));
    else memcpy(next, starts, (n_groups + 1) * sizeof(int64_t));
    for (int64_t i = first; i < last; i++) {
      int64_t before = -1, at = 0;
      for (int64_t q = indptr[i]; q < indptr[i + 1]; q++) {
        int64_t j = column_size == 2 ? ((const uint16_t *)columns)[q] : ((const int32_t *)columns)[q], group = j / cols;
        if (value_size == 0) starts[group + 1] += group != before;
        else {
          if (group != before) rows[at = next[group]++] = (uint8_t)(i - first);
          if (value_size == 1) ((uint8_t *)values)[cols * at + j % cols] = ((const uint8_t *)source)[q];
          else if (value_size == 4) ((float *)values)[cols * at + j % cols] = ((const float *)source)[q];
          else ((double *)values)[cols * at + j % cols] = ((const double *)source)[q];
        }
        before = group;
      }
    }
    if (value_size == 0) {
      starts[0] = total;
      for (int64_t j = 0; j < n_groups; j++) starts[j + 1] += starts[j];
      total = starts[n_groups];
    }
  }
  free(next);
  return 0;
}

/* Smallest and largest value of each column of sparse rows, zeros that are not stored included; `counts` (p) is scratch. */
int64_t EXPORT(extremes)(const void *values, int64_t type, const void *columns, int64_t width, int64_t size, int64_t n,
                         int64_t p, double *low, double *high, int64_t *counts) {
  for (int64_t j = 0; j < p; j++) low[j] = INFINITY, high[j] = -INFINITY, counts[j] = 0;
  for (int64_t e = 0; e < size; e++) {
    int64_t j = width == 2 ? ((const uint16_t *)columns)[e] : ((const int32_t *)columns)[e];
    double v = type == U8 ? ((const uint8_t *)values)[e] : type == F32 ? (double)((const float *)values)[e]
                                                                       : ((const double *)values)[e];
    low[j] = v < low[j] ? v : low[j];
    high[j] = v > high[j] ? v : high[j];
    counts[j]++;
  }
  for (int64_t j = 0; j < p; j++)
    if (counts[j] < n) low[j] = low[j] < 0 ? low[j] : 0, high[j] = high[j] > 0 ? high[j] : 0;
  return DONE;
}
