/* The exact Hessian of the softmax loss, for Newton steps by a factor (`methods/direct.py`), in double.
 *
 * A row's diag(p) - p p' is the Laplacian of the complete graph over the classes with edge weights p_k p_l. So one Gram
 * matrix sum_i c_i p_ik p_il [x_i 1][x_i 1]' for each pair of classes k < l tells all of the Hessian, and nothing cancels
 * where rows are sure of their class.
 */
#include <stdlib.h>
#include <string.h>

#include "rows.h"

#define REAL double
#define INTEGER int64_t
#define TYPE f64
#define T(name) JOIN(name, TYPE)
#include "unpack.inc"

typedef double row_t __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
enum { WIDTH = VECTOR_BYTES / 8, SIDE = 4 };

typedef struct {
  const rows_t *rows;
  const double *proba, *weights; /* (n, lanes), (n) */
  double *grams;                 /* (n_threads, n_pairs, tall, stride) */
  int64_t n_classes, lanes, n_threads, tall, stride;
  double end;
  int64_t *failed;
} curvature_t;

/* Weights of the rows in the Gram matrix of classes k and l; whether any counts. */
static int edges(const curvature_t *c, int64_t row, int count, int64_t k, int64_t l, double *out) {
  int any = 0;
  for (int i = 0; i < count; i++) {
    const double *p = c->proba + (row + i) * c->lanes;
    out[i] = c->weights[row + i] * p[k] * p[l];
    any |= out[i] > 0.0;
  }
  return any;
}

/* A block of SIDE rows, some vectors wide, of gram += sum_i edge_i x_i x_i'; x and y begin at its columns and rows. */
static inline __attribute__((always_inline)) void add_wide(const double *x, const double *y, int64_t stride, double *gram,
                                                           const int wide) {
  row_t sum[SIDE][2];
  for (int a = 0; a < SIDE; a++)
    for (int v = 0; v < wide; v++) sum[a][v] = *(const row_t *)(gram + a * stride + v * WIDTH);
  for (int i = 0; i < TILE; i++, x += stride, y += stride)
    for (int v = 0; v < wide; v++) {
      const row_t own = *(const row_t *)(x + v * WIDTH);
      for (int a = 0; a < SIDE; a++) sum[a][v] += y[a] * own;
    }
  for (int a = 0; a < SIDE; a++)
    for (int v = 0; v < wide; v++) *(row_t *)(gram + a * stride + v * WIDTH) = sum[a][v];
}

/* gram += sum_i edge_i x_i x_i' over the lower triangle; X and Y = edge X are (TILE, stride). Of few columns what lies
 * beyond the diagonal is no small part: no more of it than a vector. */
static void add_dense(const double *X, const double *Y, int64_t tall, int64_t stride, double *gram) {
  for (int64_t j = 0; j < tall; j += SIDE) {
    int64_t l = 0, end = (j + SIDE + WIDTH - 1) / WIDTH * WIDTH;
    for (; l + 2 * WIDTH <= end; l += 2 * WIDTH) add_wide(X + l, Y + j, stride, gram + j * stride + l, 2);
    if (l < end) add_wide(X + l, Y + j, stride, gram + j * stride + l, 1);
  }
}

/* The same of sparse rows, of one pair. */
static void add_sparse(const T(tile_t) *tile, int count, const double *edge, int64_t p, int64_t stride, double *gram) {
  for (int i = 0; i < count; i++) {
    if (!(edge[i] > 0.0)) continue;
    const double *x = tile->values + tile->start[i];
    const int32_t *col = tile->columns + tile->start[i];
    int64_t m = tile->start[i + 1] - tile->start[i];
    double *ones = gram + p * stride;
    for (int64_t e = 0; e < m; e++) {
      double y = edge[i] * x[e], *row = gram + col[e] * stride;
      for (int64_t f = 0; f <= e; f++) row[col[f]] += y * x[f];
      ones[col[e]] += y;
    }
    ones[p] += edge[i];
  }
}

typedef double four_t __attribute__((vector_size(32), aligned(8), may_alias));
enum { FOUR = 4, SQUARE = 32 };

/* Edges of all pairs of a row, (pair_lanes); whether any counts. */
static int all_edges(const curvature_t *c, int64_t row, double *out) {
  const double *p = c->proba + row * c->lanes;
  int any = 0;
  for (int64_t k = 0; k < c->n_classes; k++)
    for (int64_t l = k + 1; l < c->n_classes; l++, out++) *out = c->weights[row] * p[k] * p[l], any |= *out > 0.0;
  return any;
}

static inline __attribute__((always_inline)) void add_entry(double size, const double *edge, int64_t pair_lanes,
                                                            double *entry) {
  for (int64_t v = 0; v < pair_lanes; v += FOUR) *(four_t *)(entry + v) += size * *(const four_t *)(edge + v);
}

/* packed += edge x_i x_i' over the lower triangle, row by row, all pairs of an entry beside each other: a sparse row
 * finds its entries once, where a matrix after the other would be out of the cache by the next row. */
static inline __attribute__((always_inline)) void add_packed_of(const double *x, const int32_t *col, int64_t m,
                                                                const double *edge, int64_t p, int64_t pair_lanes,
                                                                double *packed) {
  double *ones = packed + p * (p + 1) / 2 * pair_lanes;
  for (int64_t e = 0; e < m; e++) {
    int64_t j = col[e];
    double *row = packed + j * (j + 1) / 2 * pair_lanes;
    for (int64_t f = 0; f <= e; f++) add_entry(x[e] * x[f], edge, pair_lanes, row + col[f] * pair_lanes);
    add_entry(x[e], edge, pair_lanes, ones + j * pair_lanes);
  }
  add_entry(1.0, edge, pair_lanes, ones + p * pair_lanes);
}

static void add_packed(const double *x, const int32_t *col, int64_t m, const double *edge, int64_t p, int64_t pair_lanes,
                       double *packed) {
  switch (pair_lanes) { /* a constant each, for the compiler to unroll: of 3, 4, 5, 6 and 8 classes */
    case 4: add_packed_of(x, col, m, edge, p, 4, packed); return;
    case 8: add_packed_of(x, col, m, edge, p, 8, packed); return;
    case 12: add_packed_of(x, col, m, edge, p, 12, packed); return;
    case 16: add_packed_of(x, col, m, edge, p, 16, packed); return;
    case 28: add_packed_of(x, col, m, edge, p, 28, packed); return;
    default: add_packed_of(x, col, m, edge, p, pair_lanes, packed);
  }
}

/* grams += packed, lower triangles. */
static void unpack_pairs(const curvature_t *c, const double *packed, int64_t n_pairs, int64_t pair_lanes, double *grams) {
  for (int64_t j = 0; j <= c->rows->n_features; j++)
    for (int64_t l = 0; l <= j; l++, packed += pair_lanes)
      for (int64_t pair = 0; pair < n_pairs; pair++) grams[(pair * c->tall + j) * c->stride + l] += packed[pair];
}

static void curvature_share(void *argument, int thread) {
  const curvature_t *c = argument;
  const rows_t *rows = c->rows;
  const int sparse = rows->layout != DENSE;
  const int64_t p = rows->n_features, size = c->tall * c->stride;
  const int64_t n_pairs = c->n_classes * (c->n_classes - 1) / 2, pair_lanes = (n_pairs + FOUR - 1) / FOUR * FOUR;
  const int64_t n_packed = sparse && n_pairs > 1 ? (p + 1) * (p + 2) / 2 * pair_lanes : 0;
  const int64_t from = first_row(rows, thread, (int)c->n_threads), to = first_row(rows, thread + 1, (int)c->n_threads);
  int64_t widest = T(widest_tile)(rows, from, to), laid = sparse ? pair_lanes : TILE * c->stride;
  double *grams = c->grams + thread * n_pairs * size;
  double *values = aligned_new((widest + 2 * laid) * sizeof(double) + widest * sizeof(int32_t));
  double *packed = n_packed ? aligned_new(n_packed * sizeof(double)) : NULL;
  if (!values || (n_packed && !packed)) {
    if (values) aligned_free(values);
    c->failed[thread] = NO_MEMORY;
    return;
  }
  double *Y = values, *X = values + laid, edge[TILE];
  T(tile_t) tile = {.values = X + laid};
  tile.columns = (int32_t *)(tile.values + widest);
  memset(X, 0, laid * sizeof(double));
  if (packed) memset(packed, 0, n_packed * sizeof(double));
  if (!sparse)
    for (int i = 0; i < TILE; i++) X[i * c->stride + p] = 1.0;
  for (int64_t row = from; row < to; row += TILE) {
    int count = to - row < TILE ? (int)(to - row) : TILE;
    if (is_over(c->end)) { c->failed[thread] = OUT_OF_TIME; break; }
    T(unpack)(rows, row, count, &tile);
    if (packed) {
      for (int i = 0; i < count; i++)
        if (all_edges(c, row + i, X))
          add_packed(tile.values + tile.start[i], tile.columns + tile.start[i], tile.start[i + 1] - tile.start[i], X, p,
                     pair_lanes, packed);
      continue;
    }
    if (!sparse)
      for (int i = 0; i < count; i++) memcpy(X + i * c->stride, tile.values + i * p, p * sizeof(double));
    double *gram = grams;
    for (int64_t k = 0; k < c->n_classes; k++)
      for (int64_t l = k + 1; l < c->n_classes; l++, gram += size) {
        if (!edges(c, row, count, k, l, edge)) continue;
        if (sparse) { add_sparse(&tile, count, edge, p, c->stride, gram); continue; }
        for (int i = 0; i < TILE; i++) {
          double weight = i < count ? edge[i] : 0.0;
          for (int64_t j = 0; j < c->stride; j++) Y[i * c->stride + j] = weight * X[i * c->stride + j];
        }
        add_dense(X, Y, c->tall, c->stride, gram);
      }
  }
  if (packed) {
    unpack_pairs(c, packed, n_pairs, pair_lanes, grams);
    aligned_free(packed);
  }
  aligned_free(values);
}

/* Copies the lower triangle to the upper one, by squares that stay in the cache. */
static void mirror(double *gram, int64_t n, int64_t stride) {
  for (int64_t j = 0; j < n; j += SQUARE)
    for (int64_t l = 0; l <= j; l += SQUARE)
      for (int64_t a = j; a < n && a < j + SQUARE; a++)
        for (int64_t b = l; b < a && b < l + SQUARE; b++) gram[b * stride + a] = gram[a * stride + b];
}

/* grams (n_threads, n_pairs, tall, stride), zeros at first: the first becomes sum_i c_i p_ik p_il [x_i 1][x_i 1]' for
 * k < l in order. `tall` is n_features + 1 rounded up to SIDE, `stride` to a multiple of 16. Returns DONE,
 * NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(edge_grams)(const rows_t *rows, const double *proba, const double *weights, int64_t n_classes, int64_t lanes,
                           double *grams, int64_t tall, int64_t stride, int64_t n_threads, double seconds) {
  int64_t failed[MAX_THREADS] = {DONE}, any = DONE, size = n_classes * (n_classes - 1) / 2 * tall * stride;
  curvature_t c = {rows, proba, weights, grams, n_classes, lanes, n_threads, tall, stride, end_after(seconds), failed};
  parallel(curvature_share, &c, (int)n_threads);
  for (int t = 0; t < n_threads; t++) {
    if (failed[t]) any = failed[t];
    if (t)
      for (int64_t q = 0; q < size; q++) grams[q] += grams[t * size + q];
  }
  for (int64_t first = 0; first < size; first += tall * stride) mirror(grams + first, rows->n_features + 1, stride);
  return any;
}
