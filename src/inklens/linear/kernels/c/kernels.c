/* Passes over the rows of a data matrix, fused: scores, softmax loss and gradient, Hessian times direction.
 *
 * The file is compiled once per instruction set (-DISA=avx512, avx2, neon or plain with the matching machine flags) and
 * includes itself once per floating-point type. Vectors are the compiler's own (GCC and Clang vector extensions), so
 * the same text serves every machine.
 *
 * Layout. Classes lie in lanes: coefficients W and gradient G are (p, L), scores and probabilities (n, L), where L is
 * the number of classes K rounded up to 4, 8 or a multiple of 16. One non-zero x_ij then costs one multiply-add on
 * W[j] for the scores and one on G[j] for the gradient. Rows are read once: a tile of rows is unpacked, scored, turned
 * into residuals and folded back into G while it lies in cache. Sparse rows come in panels of PANEL rows, by groups of
 * columns (see rows_t): a group's coefficients or sums then stay in registers while its entries go by, and the scores
 * of the panel in the first cache. Sums over rows run in the pass's type within a chunk of rows and in float64 over
 * chunks. Threads own contiguous rows and private sums, added in thread order, so that a given number of threads
 * always gives the same bits.
 */
#ifndef REAL

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { TILE = 16 };            /* rows per tile */
enum { CHUNK_ROWS = 1024 };    /* rows between two flushes of G into float64 */
enum { UNPACKED = 2048 };      /* values of a panel that are unpacked at a time; a group has at most 4 PANEL */
enum { SCORES, LOSS, HESSIAN, BACK };     /* modes of a pass */

typedef struct {
  int32_t mode, n_classes, lanes, n_threads, square; /* square: BACK folds x^2 */
  const void *coef;       /* (p, L) in the pass's type */
  const void *intercept;  /* (L) */
  const int32_t *codes;   /* (n) */
  const double *weights;  /* (n) */
  void *scores;           /* (n, L): written by SCORES and LOSS, by HESSIAN if given; BACK reads the residuals here */
  void *proba;            /* (n, L): written by LOSS, read by HESSIAN */
  void *residual;         /* (n, L): where given, LOSS and HESSIAN write what they would fold back, and fold nothing */
  double *gradient;       /* (p, L) */
  double *class_sums;     /* (L) */
  double *loss;           /* (1) */
  void *workspace;        /* n_threads * workspace_bytes() */
} pass_t;

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
  int64_t whole = rows->panel_starts ? PANEL : TILE;
  return at / whole * whole;
}

/* Bytes of private sums that one thread of a pass needs. */
static int64_t private_bytes(int64_t n_features, int32_t lanes) {
  return ((n_features + 1) * (int64_t)lanes * (8 + 8) + 4096 + 63) / 64 * 64;
}
int64_t EXPORT(workspace_bytes)(int64_t n_features, int32_t lanes) { return private_bytes(n_features, lanes); }

#ifdef BASELINE
/* The best instruction set that this processor runs. */
__attribute__((visibility("default"))) const char *inklens_isa(void) {
#if defined(__x86_64__) || defined(__i386__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
  return "plain";
#elif defined(__aarch64__)
  return "neon";
#else
  return "plain";
#endif
}
#endif

#define REAL float
#define INTEGER int32_t
#define TYPE f32
#include "kernels.c"
#undef REAL
#undef INTEGER
#undef TYPE

#define REAL double
#define INTEGER int64_t
#define TYPE f64
#include "kernels.c"
#undef REAL
#undef INTEGER
#undef TYPE

#else /* REAL: everything below exists for float and for double */

#define T(name) JOIN(name, TYPE)
#include "vectors.h"

/* ---- rows unpacked into values of the pass's type and 32-bit columns --------------------------------------------- */

typedef struct {
  REAL *values;         /* sparse: the non-zeros of the tile, one row after the other; dense: (TILE, p) */
  int32_t *columns;     /* sparse only */
  int64_t start[TILE + 1];
} T(tile_t);

#define CONVERT(from) do { \
    const from *source = (const from *)rows->values + begin; \
    for (int64_t q = 0; q < size; q++) tile->values[at + q] = (REAL)source[q]; } while (0)
#define COMPRESS(from) do { \
    const from *source = (const from *)rows->values + (row + i) * rows->row_stride; \
    for (int64_t j = 0; j < p; j++) { \
      tile->values[at] = (REAL)source[j]; tile->columns[at] = (int32_t)j; at += source[j] != 0; } } while (0)

static int64_t T(compress_bytes)(const uint8_t *source, int64_t p, REAL *values, int32_t *columns) {
  int64_t at = 0, j = 0;
  for (; j + 8 <= p; j += 8) { /* runs of paper: eight zeros at a time */
    uint64_t eight;
    memcpy(&eight, source + j, 8);
    if (!eight) continue;
    for (int q = 0; q < 8; q++) {
      values[at] = (REAL)source[j + q];
      columns[at] = (int32_t)(j + q);
      at += source[j + q] != 0;
    }
  }
  for (; j < p; j++) {
    values[at] = (REAL)source[j];
    columns[at] = (int32_t)j;
    at += source[j] != 0;
  }
  return at;
}

static void T(columns)(const rows_t *rows, int64_t begin, int64_t size, int32_t *columns) {
  if (rows->layout == CSR16) {
    const uint16_t *source = (const uint16_t *)rows->indices + begin;
    for (int64_t q = 0; q < size; q++) columns[q] = source[q];
  } else memcpy(columns, (const int32_t *)rows->indices + begin, size * sizeof(int32_t));
}

static void T(square)(REAL *values, int64_t size) {
  for (int64_t q = 0; q < size; q++) values[q] *= values[q];
}

static void T(unpack)(const rows_t *rows, int64_t row, int count, T(tile_t) *tile) {
  int64_t p = rows->n_features, at = 0;
  if (rows->layout >= CSR16) { /* all rows of the tile in one go */
    int64_t begin = rows->indptr[row], size = rows->indptr[row + count] - begin;
    for (int i = 0; i <= count; i++) tile->start[i] = rows->indptr[row + i] - begin;
    if (rows->value_type == U8) CONVERT(uint8_t);
    else if (rows->value_type == F32) CONVERT(float);
    else CONVERT(double);
    T(columns)(rows, begin, size, tile->columns);
    return;
  }
  for (int i = 0; i < count; i++) {
    tile->start[i] = at;
    if (rows->layout == DENSE_SKIP) {
      if (rows->value_type == U8)
        at += T(compress_bytes)((const uint8_t *)rows->values + (row + i) * rows->row_stride, p, tile->values + at,
                                tile->columns + at);
      else if (rows->value_type == F32) COMPRESS(float);
      else COMPRESS(double);
    } else {
      int64_t begin = (row + i) * rows->row_stride, size = p;
      if (rows->value_type == U8) CONVERT(uint8_t);
      else if (rows->value_type == F32) CONVERT(float);
      else CONVERT(double);
      at += p;
    }
  }
  tile->start[count] = at;
}

static int64_t T(widest_tile)(const rows_t *rows, int64_t from, int64_t to) {
  if (rows->layout < CSR16) return TILE * rows->n_features + 8;
  int64_t most = 0;
  for (int64_t row = from; row < to; row += TILE) {
    int64_t end = row + TILE < to ? row + TILE : to, size = rows->indptr[end] - rows->indptr[row];
    if (size > most) most = size;
  }
  return most + 8;
}

/* ---- multiply-adds with the classes in lanes; `bytes` is the vector, `nv` vectors are done at a time -------------- */

/* One vector is by far the commonest; its stride is then a constant. */
#define DEFINE_PANEL(way, bytes, cols) \
static void T(way##cols##_##bytes)(const REAL *x, const uint8_t *row, const int64_t *starts, int64_t from, int64_t to, \
                                   int64_t p, const REAL *in, int lanes, REAL *out) { \
  const int w = (bytes) / sizeof(REAL); \
  if (lanes == w) T(way##_columns_##bytes)(x, row, starts, from, to, p, in, w, out, 1, cols); \
  else for (int part = 0; part < lanes; ) { \
    int left = (lanes - part) / w, nv = left >= 4 ? 4 : left >= 2 ? 2 : 1; \
    if (nv == 1) T(way##_columns_##bytes)(x, row, starts, from, to, p, in + part, lanes, out + part, 1, cols); \
    else if (nv == 2) T(way##_columns_##bytes)(x, row, starts, from, to, p, in + part, lanes, out + part, 2, cols); \
    else T(way##_columns_##bytes)(x, row, starts, from, to, p, in + part, lanes, out + part, 4, cols); \
    part += nv * w; \
  } \
}

#define DEFINE_LANES(bytes) \
/* Scores (count, L) -> proba, residual c (p - y); returns the loss. `spare` is 0 in the lanes of classes and hugely \
 * negative in the others, `lane` counts the lanes. */ \
static double T(softmax_##bytes)(const REAL *scores, REAL *proba, REAL *residual, const int32_t *codes, \
                                 const double *weights, int count, int lanes, const REAL *spare, const INTEGER *lane) { \
  const int w = (bytes) / sizeof(REAL); \
  double loss = 0.0; \
  for (int i = 0; i < count; i++, scores += lanes, proba += lanes, residual += lanes) { \
    int own = codes[i]; \
    T(v##bytes) top = *(const T(v##bytes) *)scores + *(const T(v##bytes) *)spare, rest = {0}; \
    for (int v = w; v < lanes; v += w) \
      top = T(larger_##bytes)(top, *(const T(v##bytes) *)(scores + v) + *(const T(v##bytes) *)(spare + v)); \
    REAL largest = T(largest_##bytes)(top); \
    for (int v = 0; v < lanes; v += w) { \
      T(v##bytes) off = *(const T(v##bytes) *)(spare + v); \
      T(v##bytes) e = T(exp_##bytes)(*(const T(v##bytes) *)(scores + v) - largest + off); \
      T(i##bytes) real = off == 0, other = *(const T(i##bytes) *)(lane + v) != own; \
      e = (T(v##bytes))((T(i##bytes))e & real); \
      *(T(v##bytes) *)(proba + v) = e; \
      rest += (T(v##bytes))((T(i##bytes))e & other); \
    } \
    REAL others = T(sum_##bytes)(rest), total = others + proba[own], c = (REAL)weights[i]; /* no cancellation */ \
    REAL share = (REAL)1.0 / total; \
    for (int v = 0; v < lanes; v += w) { \
      T(v##bytes) p = *(T(v##bytes) *)(proba + v) * share; \
      *(T(v##bytes) *)(proba + v) = p; \
      *(T(v##bytes) *)(residual + v) = p * c; \
    } \
    residual[own] = -c * (others * share); \
    loss += weights[i] * (log((double)total) + ((double)largest - (double)scores[own])); \
  } \
  return loss; \
} \
/* u_k = c p_k (t_k - sum_l p_l t_l), in place of t; p is 0 in spare lanes */ \
static void T(curve_##bytes)(REAL *t, const REAL *proba, const double *weights, int count, int lanes) { \
  const int w = (bytes) / sizeof(REAL); \
  for (int i = 0; i < count; i++, t += lanes, proba += lanes) { \
    REAL c = (REAL)weights[i]; \
    T(v##bytes) sum = *(const T(v##bytes) *)proba * *(T(v##bytes) *)t; \
    for (int v = w; v < lanes; v += w) sum += *(const T(v##bytes) *)(proba + v) * *(T(v##bytes) *)(t + v); \
    REAL mean = T(sum_##bytes)(sum); \
    for (int v = 0; v < lanes; v += w) \
      *(T(v##bytes) *)(t + v) = *(const T(v##bytes) *)(proba + v) * c * (*(T(v##bytes) *)(t + v) - mean); \
  } \
} \
static inline __attribute__((always_inline)) void T(sparse_forward_##bytes)( \
    const REAL *x, const int32_t *col, int64_t m, const REAL *W, int lanes, REAL *z, const int nv) { \
  const int w = (bytes) / sizeof(REAL); \
  T(v##bytes) a[4], b[4], c[4], d[4]; \
  for (int v = 0; v < nv; v++) { a[v] = *(const T(v##bytes) *)(z + v * w); b[v] = c[v] = d[v] = a[v] - a[v]; } \
  int64_t q = 0; \
  for (; q + 4 <= m; q += 4) { \
    const REAL *w0 = W + (int64_t)col[q] * lanes, *w1 = W + (int64_t)col[q + 1] * lanes; \
    const REAL *w2 = W + (int64_t)col[q + 2] * lanes, *w3 = W + (int64_t)col[q + 3] * lanes; \
    for (int v = 0; v < nv; v++) { \
      a[v] += x[q] * *(const T(v##bytes) *)(w0 + v * w); \
      b[v] += x[q + 1] * *(const T(v##bytes) *)(w1 + v * w); \
      c[v] += x[q + 2] * *(const T(v##bytes) *)(w2 + v * w); \
      d[v] += x[q + 3] * *(const T(v##bytes) *)(w3 + v * w); \
    } \
  } \
  for (; q < m; q++) \
    for (int v = 0; v < nv; v++) a[v] += x[q] * *(const T(v##bytes) *)(W + (int64_t)col[q] * lanes + v * w); \
  for (int v = 0; v < nv; v++) *(T(v##bytes) *)(z + v * w) = (a[v] + b[v]) + (c[v] + d[v]); \
} \
static inline __attribute__((always_inline)) void T(sparse_backward_##bytes)( \
    const REAL *x, const int32_t *col, int64_t m, const REAL *r, int lanes, REAL *G, const int nv) { \
  const int w = (bytes) / sizeof(REAL); \
  T(v##bytes) u[4]; \
  for (int v = 0; v < nv; v++) u[v] = *(const T(v##bytes) *)(r + v * w); \
  for (int64_t q = 0; q < m; q++) { \
    REAL *g = G + (int64_t)col[q] * lanes; \
    for (int v = 0; v < nv; v++) *(T(v##bytes) *)(g + v * w) += x[q] * u[v]; \
  } \
} \
static inline __attribute__((always_inline)) void T(dense_forward_##bytes)( \
    const REAL *x, int64_t p, const REAL *W, int lanes, REAL *z, const int nv, const int rb) { \
  const int w = (bytes) / sizeof(REAL); \
  T(v##bytes) a[8][4]; \
  for (int i = 0; i < rb; i++) for (int v = 0; v < nv; v++) a[i][v] = *(const T(v##bytes) *)(z + i * lanes + v * w); \
  for (int64_t j = 0; j < p; j++) \
    for (int v = 0; v < nv; v++) { \
      T(v##bytes) weight = *(const T(v##bytes) *)(W + j * lanes + v * w); \
      for (int i = 0; i < rb; i++) a[i][v] += x[i * p + j] * weight; \
    } \
  for (int i = 0; i < rb; i++) for (int v = 0; v < nv; v++) *(T(v##bytes) *)(z + i * lanes + v * w) = a[i][v]; \
} \
static inline __attribute__((always_inline)) void T(dense_backward_##bytes)( \
    const REAL *x, int64_t p, const REAL *r, int lanes, REAL *G, const int nv, const int rb) { \
  const int w = (bytes) / sizeof(REAL); \
  T(v##bytes) u[8][4]; \
  for (int i = 0; i < rb; i++) for (int v = 0; v < nv; v++) u[i][v] = *(const T(v##bytes) *)(r + i * lanes + v * w); \
  for (int64_t j = 0; j < p; j++) \
    for (int v = 0; v < nv; v++) { \
      T(v##bytes) g = *(T(v##bytes) *)(G + j * lanes + v * w); \
      for (int i = 0; i < rb; i++) g += x[i * p + j] * u[i][v]; \
      *(T(v##bytes) *)(G + j * lanes + v * w) = g; \
    } \
} \
/* Both ways between the coefficients of `cols` neighbouring columns and the rows of a panel; `x` and `row` begin at the \
 * first entry of group `from`. A score is loaded and stored once for all columns of a group. */ \
static inline __attribute__((always_inline)) void T(spread_columns_##bytes)( \
    const REAL *x, const uint8_t *row, const int64_t *starts, int64_t from, int64_t to, int64_t p, const REAL *W, \
    int lanes, REAL *z, const int nv, const int cols) { \
  const int w = (bytes) / sizeof(REAL); \
  for (int64_t j = from; j < to; j++) { \
    T(v##bytes) own[4][4] = {{{0}}}; \
    for (int c = 0; c < cols && cols * j + c < p; c++) \
      for (int v = 0; v < nv; v++) own[c][v] = *(const T(v##bytes) *)(W + (cols * j + c) * lanes + v * w); \
    for (int64_t q = starts[j] - starts[from], end = starts[j + 1] - starts[from]; q < end; q++) \
      for (int v = 0; v < nv; v++) { \
        T(v##bytes) sum = *(T(v##bytes) *)(z + row[q] * lanes + v * w); \
        for (int c = 0; c < cols; c++) sum += x[cols * q + c] * own[c][v]; \
        *(T(v##bytes) *)(z + row[q] * lanes + v * w) = sum; \
      } \
  } \
} \
static inline __attribute__((always_inline)) void T(fold_columns_##bytes)( \
    const REAL *x, const uint8_t *row, const int64_t *starts, int64_t from, int64_t to, int64_t p, const REAL *r, \
    int lanes, REAL *G, const int nv, const int cols) { \
  const int w = (bytes) / sizeof(REAL); \
  for (int64_t j = from; j < to; j++) { \
    int64_t q = starts[j] - starts[from], end = starts[j + 1] - starts[from]; \
    if (q == end) continue; \
    T(v##bytes) even[4][4] = {{{0}}}, odd[4][4] = {{{0}}}; /* two sums at a time hide a multiply-add's latency */ \
    for (; q + 2 <= end; q += 2) \
      for (int v = 0; v < nv; v++) { \
        const T(v##bytes) one = *(const T(v##bytes) *)(r + row[q] * lanes + v * w); \
        const T(v##bytes) two = *(const T(v##bytes) *)(r + row[q + 1] * lanes + v * w); \
        for (int c = 0; c < cols; c++) { \
          even[c][v] += x[cols * q + c] * one; \
          odd[c][v] += x[cols * (q + 1) + c] * two; \
        } \
      } \
    if (q < end) \
      for (int v = 0; v < nv; v++) { \
        const T(v##bytes) one = *(const T(v##bytes) *)(r + row[q] * lanes + v * w); \
        for (int c = 0; c < cols; c++) even[c][v] += x[cols * q + c] * one; \
      } \
    for (int c = 0; c < cols && cols * j + c < p; c++) \
      for (int v = 0; v < nv; v++) \
        *(T(v##bytes) *)(G + (cols * j + c) * lanes + v * w) += even[c][v] + odd[c][v]; \
  } \
} \
DEFINE_PANEL(spread, bytes, 2) \
DEFINE_PANEL(spread, bytes, 4) \
DEFINE_PANEL(fold, bytes, 2) \
DEFINE_PANEL(fold, bytes, 4) \
static void T(forward_##bytes)(const T(tile_t) *tile, int sparse, int64_t p, int count, const REAL *W, int lanes, \
                               REAL *z) { \
  const int w = (bytes) / sizeof(REAL); \
  for (int part = 0; part < lanes; ) { \
    int left = (lanes - part) / w, nv = left >= 4 ? 4 : left >= 2 ? 2 : 1; \
    if (sparse) for (int i = 0; i < count; i++) { \
      const REAL *x = tile->values + tile->start[i]; \
      const int32_t *col = tile->columns + tile->start[i]; \
      int64_t m = tile->start[i + 1] - tile->start[i]; \
      REAL *zi = z + i * lanes + part; \
      if (nv == 1) T(sparse_forward_##bytes)(x, col, m, W + part, lanes, zi, 1); \
      else if (nv == 2) T(sparse_forward_##bytes)(x, col, m, W + part, lanes, zi, 2); \
      else T(sparse_forward_##bytes)(x, col, m, W + part, lanes, zi, 4); \
    } else for (int i = 0; i < TILE; ) { /* rows beyond `count` repeat stale values and are dropped */ \
      const REAL *x = tile->values + i * p; \
      REAL *zi = z + i * lanes + part; \
      if (nv == 1) { T(dense_forward_##bytes)(x, p, W + part, lanes, zi, 1, 8); i += 8; } \
      else if (nv == 2) { T(dense_forward_##bytes)(x, p, W + part, lanes, zi, 2, 4); i += 4; } \
      else { T(dense_forward_##bytes)(x, p, W + part, lanes, zi, 4, 2); i += 2; } \
      if (i >= count) break; \
    } \
    part += nv * w; \
  } \
} \
static void T(backward_##bytes)(const T(tile_t) *tile, int sparse, int64_t p, int count, const REAL *r, int lanes, \
                                REAL *G) { \
  const int w = (bytes) / sizeof(REAL); \
  for (int part = 0; part < lanes; ) { \
    int left = (lanes - part) / w, nv = left >= 4 ? 4 : left >= 2 ? 2 : 1; \
    if (sparse) for (int i = 0; i < count; i++) { \
      const REAL *x = tile->values + tile->start[i]; \
      const int32_t *col = tile->columns + tile->start[i]; \
      int64_t m = tile->start[i + 1] - tile->start[i]; \
      const REAL *ri = r + i * lanes + part; \
      if (nv == 1) T(sparse_backward_##bytes)(x, col, m, ri, lanes, G + part, 1); \
      else if (nv == 2) T(sparse_backward_##bytes)(x, col, m, ri, lanes, G + part, 2); \
      else T(sparse_backward_##bytes)(x, col, m, ri, lanes, G + part, 4); \
    } else for (int i = 0; i < TILE; ) { /* residuals beyond `count` are zero */ \
      const REAL *x = tile->values + i * p, *ri = r + i * lanes + part; \
      if (nv == 1) { T(dense_backward_##bytes)(x, p, ri, lanes, G + part, 1, 8); i += 8; } \
      else if (nv == 2) { T(dense_backward_##bytes)(x, p, ri, lanes, G + part, 2, 4); i += 4; } \
      else { T(dense_backward_##bytes)(x, p, ri, lanes, G + part, 4, 2); i += 2; } \
      if (i >= count) break; \
    } \
    part += nv * w; \
  } \
}

DEFINE_LANES(16)
#if VECTOR_BYTES >= 32
DEFINE_LANES(32)
#endif
#if VECTOR_BYTES >= 64
DEFINE_LANES(64)
#endif

typedef void (*T(panel_t))(const REAL *, const uint8_t *, const int64_t *, int64_t, int64_t, int64_t, const REAL *, int,
                           REAL *);
/* The functions for one number of lanes, on the widest vectors that divide it. */
typedef struct {
  void (*forward)(const T(tile_t) *, int, int64_t, int, const REAL *, int, REAL *);
  void (*backward)(const T(tile_t) *, int, int64_t, int, const REAL *, int, REAL *);
  T(panel_t) spread[2], fold[2]; /* of groups of two and of four columns */
  double (*softmax)(const REAL *, REAL *, REAL *, const int32_t *, const double *, int, int, const REAL *,
                    const INTEGER *);
  void (*curve)(REAL *, const REAL *, const double *, int, int);
} T(lanes_t);
#define CHOSEN(bytes) \
  (T(lanes_t)){T(forward_##bytes), T(backward_##bytes), {T(spread2_##bytes), T(spread4_##bytes)}, \
               {T(fold2_##bytes), T(fold4_##bytes)}, T(softmax_##bytes), T(curve_##bytes)}

static T(lanes_t) T(choose)(int lanes) {
  size_t bytes = lanes * sizeof(REAL);
#if VECTOR_BYTES >= 64
  if (bytes % 64 == 0) return CHOSEN(64);
#endif
#if VECTOR_BYTES >= 32
  if (bytes % 32 == 0) return CHOSEN(32);
#endif
  (void)bytes;
  return CHOSEN(16);
}

/* Take one panel's groups of columns one way or the other (spread or fold), some at a time: unpacked into `entries`. */
static void T(walk_panel)(const T(panel_t) *ways, const rows_t *rows, int64_t first, const REAL *in, int lanes, REAL *out,
                          REAL *entries, int square) {
  int64_t p = rows->n_features, cols = rows->panel_columns, n_groups = (p + cols - 1) / cols;
  const int64_t *starts = rows->panel_starts + first / PANEL * (n_groups + 1);
  for (int64_t from = 0, to; from < n_groups; from = to) {
    for (to = from + 1; to < n_groups && cols * (starts[to + 1] - starts[from]) <= UNPACKED; to++);
    int64_t at = cols * starts[from], size = cols * (starts[to] - starts[from]);
#define UNPACK(type) \
    do for (int64_t q = 0; q < size; q++) entries[q] = (REAL)((const type *)rows->panel_values)[at + q]; while (0)
    if (rows->value_type == U8) UNPACK(uint8_t);
    else if (rows->value_type == F32) UNPACK(float);
    else UNPACK(double);
#undef UNPACK
    if (square) T(square)(entries, size);
    ways[cols == 4](entries, rows->panel_rows + starts[from], starts, from, to, p, in, lanes, out);
  }
}

/* ---- one thread's share of a pass --------------------------------------------------------------------------------- */

typedef struct { const rows_t *rows; const pass_t *pass; double *loss; int *failed; } T(work_t);

static void T(flush)(REAL *part, double *total, int64_t size) {
  for (int64_t q = 0; q < size; q++) total[q] += (double)part[q];
  memset(part, 0, size * sizeof(REAL));
}

static void T(share)(void *argument, int thread) {
  const T(work_t) *work = argument;
  const rows_t *rows = work->rows;
  const pass_t *pass = work->pass;
  const int K = pass->n_classes, L = pass->lanes, mode = pass->mode, sparse = rows->layout != DENSE;
  const int by_panels = rows->panel_starts != NULL, height = by_panels ? PANEL : TILE;
  const int64_t p = rows->n_features, size = pass->residual ? 0 : p * L;
  const int64_t from = first_row(rows, thread, pass->n_threads), to = first_row(rows, thread + 1, pass->n_threads);
  const T(lanes_t) on = T(choose)(L);
  double *G = (double *)((char *)pass->workspace + thread * private_bytes(size / L, L)), *sums = G + size;
  REAL *part = (REAL *)(sums + L);
  if (mode != SCORES) memset(G, 0, (size + L) * sizeof(double)), memset(part, 0, size * sizeof(REAL));
  int64_t widest = by_panels ? UNPACKED : T(widest_tile)(rows, from, to);
  size_t own = (size_t)(2 * height + 1) * L * sizeof(REAL) + L * sizeof(INTEGER) + 128;
  char *buffer = malloc(widest * (sizeof(REAL) + sizeof(int32_t)) + own);
  if (!buffer) { work->failed[thread] = 1; return; }
  REAL *z = (REAL *)(((uintptr_t)buffer + 63) / 64 * 64), *r = z + height * L, *spare = r + height * L;
  INTEGER *lane = (INTEGER *)(spare + L);
  T(tile_t) tile = {.values = (REAL *)(lane + L)};
  tile.columns = (int32_t *)(tile.values + widest);
  for (int k = 0; k < L; k++) spare[k] = k < K ? 0 : -INFINITY, lane[k] = k;
  if (!sparse) memset(tile.values, 0, widest * sizeof(REAL));
  int64_t chunk = CHUNK_ROWS, chunk_end;
  if (rows->layout >= CSR16 && to > from) { /* wide rows: flush no more often than the non-zeros pay for it */
    int64_t mean = (rows->indptr[to] - rows->indptr[from]) / (to - from) + 1;
    if (8 * p / mean > chunk) chunk = 8 * p / mean;
  }
  chunk_end = from + chunk;
  double loss = 0.0;
  for (int64_t row = from; row < to; row += height) {
    int count = to - row < height ? (int)(to - row) : height;
    REAL *zs = pass->scores ? (REAL *)pass->scores + row * L : NULL;
    REAL *ps = pass->proba ? (REAL *)pass->proba + row * L : NULL;
    if (!by_panels) T(unpack)(rows, row, count, &tile);
    if (!by_panels && pass->square) T(square)(tile.values, sparse ? tile.start[count] : count * p);
    if (count < height) memset(r, 0, (size_t)height * L * sizeof(REAL));
    if (mode == BACK) memcpy(r, zs, (size_t)count * L * sizeof(REAL));
    else {
      for (int i = 0; i < height; i++) memcpy(z + i * L, pass->intercept, L * sizeof(REAL));
      if (by_panels) T(walk_panel)(on.spread, rows, row, pass->coef, L, z, tile.values, 0);
      else on.forward(&tile, sparse, p, count, pass->coef, L, z);
      if (zs) memcpy(zs, z, (size_t)count * L * sizeof(REAL));
      if (mode == SCORES) continue;
      if (mode == LOSS)
        loss += on.softmax(z, ps, r, pass->codes + row, pass->weights + row, count, L, spare, lane);
      else {
        memcpy(r, z, (size_t)count * L * sizeof(REAL));
        on.curve(r, ps, pass->weights + row, count, L);
      }
    }
    for (int i = 0; i < count; i++)
      for (int k = 0; k < K; k++) sums[k] += (double)r[i * L + k];
    if (pass->residual) {
      memcpy((REAL *)pass->residual + row * L, r, (size_t)count * L * sizeof(REAL));
      continue;
    }
    if (by_panels) T(walk_panel)(on.fold, rows, row, r, L, part, tile.values, pass->square);
    else on.backward(&tile, sparse, p, count, r, L, part);
    if (row + height >= chunk_end) {
      T(flush)(part, G, size);
      chunk_end += chunk;
    }
  }
  if (mode != SCORES) T(flush)(part, G, size);
  work->loss[thread] = loss;
  free(buffer);
}

/* Run one pass; 0, or 1 when memory ran out. */
int EXPORT(T(pass))(const rows_t *rows, const pass_t *pass) {
  double loss[MAX_THREADS] = {0};
  int failed[MAX_THREADS] = {0}, any = 0, n = pass->n_threads;
  T(work_t) work = {rows, pass, loss, failed};
  if (n < 1 || n > MAX_THREADS) return 2;
  parallel(T(share), &work, n);
  for (int t = 0; t < n; t++) any |= failed[t];
  if (any || pass->mode == SCORES) return any;
  int64_t size = pass->residual ? 0 : rows->n_features * pass->lanes;
  if (size) memset(pass->gradient, 0, size * sizeof(double));
  memset(pass->class_sums, 0, pass->lanes * sizeof(double));
  for (int t = 0; t < n; t++) {
    double *G = (double *)((char *)pass->workspace + t * private_bytes(size / pass->lanes, pass->lanes));
    for (int64_t q = 0; q < size; q++) pass->gradient[q] += G[q];
    for (int k = 0; k < pass->lanes; k++) pass->class_sums[k] += G[size + k];
    if (pass->loss) *pass->loss = (t ? *pass->loss : 0.0) + loss[t];
  }
  return 0;
}

#undef CONVERT
#undef COMPRESS
#undef DEFINE_LANES
#undef DEFINE_PANEL
#undef CHOSEN
#undef T
#endif
