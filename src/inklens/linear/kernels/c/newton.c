/* The class-block preconditioner of `newton.py`: weighted Gram matrices of all classes at once from sparse rows, their
 * Cholesky factors, and solves with them. One matrix per class, lower triangle, rows `stride` floats apart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { LANES = 16 };
typedef float vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef float quarter __attribute__((vector_size(16), aligned(4), may_alias));
enum { WIDTH = VECTOR_BYTES / 4, PARTS = LANES / WIDTH };

/* ---- Gram matrices ------------------------------------------------------------------------------------------------ */

typedef struct {
  int64_t n, p, n_classes, stride, n_threads;
  const float *values, *weights; /* weights (n, L), L = n_classes rounded up to a multiple of 16 */
  const int32_t *columns;
  const int64_t *indptr, *column_start;
  const int32_t *entry_row, *entry_at; /* by column: the row of each entry, and its place within the row */
  float *gram, *packed;
  double end;       /* of the time for it */
  int64_t *failed;  /* (n_threads): NO_MEMORY or OUT_OF_TIME */
} gram_t;

/* strip[j] += u x_j for the first `m` entries of a row */
static inline void add_row(float *restrict strip, const float *x, const int32_t *col, int64_t m, const float *w,
                           float own) {
  vector u[PARTS];
  for (int v = 0; v < PARTS; v++) u[v] = own * *(const vector *)(w + v * WIDTH);
  for (int64_t e = 0; e < m; e++)
    for (int v = 0; v < PARTS; v++) *(vector *)(strip + (int64_t)col[e] * LANES + v * WIDTH) += x[e] * u[v];
}

static void gram_share(void *argument, int thread) {
  const gram_t *g = argument;
  int64_t p = g->p, L = (g->n_classes + LANES - 1) / LANES * LANES;
  float *strip = aligned_new((p + 1) * LANES * sizeof(float));
  if (!strip) { g->failed[thread] = NO_MEMORY; return; }
  for (int64_t part = 0; part < L; part += LANES)
    for (int64_t step = thread; step <= p; step += g->n_threads) {
      if (is_over(g->end)) { g->failed[thread] = OUT_OF_TIME; break; }
      int64_t j = p - step; /* the long strips first; column p is the intercept */
      memset(strip, 0, (j + 1) * LANES * sizeof(float));
      if (j == p) {
        for (int64_t i = 0; i < g->n; i++) {
          const float *w = g->weights + i * L + part;
          int64_t begin = g->indptr[i];
          add_row(strip, g->values + begin, g->columns + begin, g->indptr[i + 1] - begin, w, 1.0f);
          for (int k = 0; k < LANES; k++) strip[p * LANES + k] += w[k];
        }
      } else
        for (int64_t e = g->column_start[j]; e < g->column_start[j + 1]; e++) {
          int64_t i = g->entry_row[e], begin = g->indptr[i], m = g->entry_at[e] + 1;
          const float *x = g->values + begin;
          add_row(strip, x, g->columns + begin, m, g->weights + i * L + part, x[m - 1]);
        }
      for (int64_t k = 0; k < LANES && part + k < g->n_classes; k++) {
        float *row = g->gram + ((part + k) * (p + 1) + j) * g->stride;
        for (int64_t l = 0; l <= j; l++) row[l] = strip[l * LANES + k];
      }
    }
  aligned_free(strip);
}

/* Few values a row: row by row into a triangle that stays in the cache, the classes of an entry beside each other. */
enum { FEW_VALUES = 32, FEW_BYTES = 1 << 24, FOUR = 4, ROWS_AT_ONCE = 1024 };

static inline void add_to_entry(float *entry, float size, const float *w, int lanes) {
  for (int v = 0; v < lanes; v += FOUR) *(quarter *)(entry + v) += size * *(const quarter *)(w + v);
}

static inline void add_few(const gram_t *g, int64_t from, int64_t to, float *packed, int lanes) {
  int64_t p = g->p, L = (g->n_classes + LANES - 1) / LANES * LANES;
  float *ones = packed + p * (p + 1) / 2 * lanes;
  for (int64_t i = from; i < to; i++) {
    const float *w = g->weights + i * L, *x = g->values + g->indptr[i];
    const int32_t *col = g->columns + g->indptr[i];
    int64_t m = g->indptr[i + 1] - g->indptr[i];
    for (int64_t e = 0; e < m; e++) {
      int64_t j = col[e];
      float *row = packed + j * (j + 1) / 2 * lanes;
      for (int64_t f = 0; f <= e; f++) add_to_entry(row + (int64_t)col[f] * lanes, x[e] * x[f], w, lanes);
      add_to_entry(ones + j * lanes, x[e], w, lanes);
    }
    add_to_entry(ones + p * lanes, 1.0f, w, lanes);
  }
}

static int lanes_of_few(int64_t n_classes) { return n_classes <= FOUR ? FOUR : n_classes <= 2 * FOUR ? 2 * FOUR : LANES; }

static void few_share(void *argument, int thread) {
  const gram_t *g = argument;
  int lanes = lanes_of_few(g->n_classes);
  int64_t from = g->n * thread / g->n_threads, to = g->n * (thread + 1) / g->n_threads;
  float *packed = g->packed + thread * (g->p + 1) * (g->p + 2) / 2 * lanes;
  for (int64_t row = from; row < to; row += ROWS_AT_ONCE) {
    if (is_over(g->end)) { g->failed[thread] = OUT_OF_TIME; return; }
    int64_t last = to - row < ROWS_AT_ONCE ? to : row + ROWS_AT_ONCE;
    if (lanes == FOUR) add_few(g, row, last, packed, FOUR); /* a constant each, for the compiler to unroll */
    else if (lanes == 2 * FOUR) add_few(g, row, last, packed, 2 * FOUR);
    else add_few(g, row, last, packed, LANES);
  }
}

static int are_few(const gram_t *g) {
  double mean = (double)g->indptr[g->n] / (g->n + 1), entries = (g->p + 1.0) * (g->p + 2.0) / 2.0 * g->n_threads;
  return g->n_classes <= LANES && mean <= FEW_VALUES && entries <= g->n * mean * mean / 2.0 &&
         entries * lanes_of_few(g->n_classes) * sizeof(float) <= FEW_BYTES;
}

static int64_t grams_of_few(gram_t *g) {
  int lanes = lanes_of_few(g->n_classes);
  int64_t size = (g->p + 1) * (g->p + 2) / 2 * lanes;
  g->packed = aligned_new(g->n_threads * size * sizeof(float));
  if (!g->packed) return NO_MEMORY;
  memset(g->packed, 0, g->n_threads * size * sizeof(float));
  parallel(few_share, g, (int)g->n_threads);
  const float *entry = g->packed;
  for (int64_t j = 0; j <= g->p; j++)
    for (int64_t l = 0; l <= j; l++, entry += lanes)
      for (int64_t k = 0; k < g->n_classes; k++) {
        float total = 0.0f;
        for (int64_t t = 0; t < g->n_threads; t++) total += entry[t * size + k];
        g->gram[(k * (g->p + 1) + j) * g->stride + l] = total;
      }
  aligned_free(g->packed);
  return DONE;
}

static int64_t grams_by_columns(gram_t *g) {
  int64_t n = g->n, p = g->p, size = g->indptr[n], any = NO_MEMORY;
  int64_t *start = calloc(p + 2, sizeof(int64_t));
  int32_t *entry = malloc((2 * size + 1) * sizeof(int32_t));
  if (start && entry) {
    any = DONE;
    for (int64_t e = 0; e < size; e++) start[g->columns[e] + 2]++;
    for (int64_t j = 0; j < p; j++) start[j + 2] += start[j + 1];
    for (int64_t i = 0; i < n; i++)
      for (int64_t e = g->indptr[i]; e < g->indptr[i + 1]; e++) {
        int64_t to = start[g->columns[e] + 1]++;
        entry[to] = (int32_t)i;
        entry[size + to] = (int32_t)(e - g->indptr[i]);
      }
    g->column_start = start, g->entry_row = entry, g->entry_at = entry + size;
    parallel(gram_share, g, (int)g->n_threads);
  }
  free(start);
  free(entry);
  return any;
}

/* gram[k] = [X 1]' diag(w_k) [X 1] for CSR rows X (n, p): n_classes matrices of (p + 1, stride). Returns DONE,
 * NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(class_grams)(const float *values, const int32_t *columns, const int64_t *indptr, int64_t n, int64_t p,
                            const float *weights, int64_t n_classes, float *gram, int64_t stride, int64_t n_threads,
                            double seconds) {
  int64_t failed[MAX_THREADS] = {DONE};
  gram_t g = {.n = n, .p = p, .n_classes = n_classes, .stride = stride, .n_threads = n_threads, .values = values,
              .weights = weights, .columns = columns, .indptr = indptr, .gram = gram, .end = end_after(seconds),
              .failed = failed};
  int64_t any = are_few(&g) ? grams_of_few(&g) : grams_by_columns(&g);
  for (int t = 0; t < n_threads; t++) if (failed[t]) any = failed[t];
  return any;
}

/* ---- Cholesky ----------------------------------------------------------------------------------------------------- */

static inline float total(vector v) {
  quarter s = *(quarter *)&v;
  for (int i = 1; i < WIDTH / 4; i++) s += *((quarter *)&v + i);
  return (s[0] + s[1]) + (s[2] + s[3]);
}

enum { B = 4 };

/* s[a][b] -= <x_a, y_b> over the first m entries, for B rows each */
static inline void dots(const float *x, const float *y, int64_t stride, int64_t m, float s[B][B]) {
  vector acc[B][B];
  memset(acc, 0, sizeof acc);
  int64_t k = 0;
  for (; k + WIDTH <= m; k += WIDTH) {
    vector u[B], v[B];
    for (int a = 0; a < B; a++) u[a] = *(const vector *)(x + a * stride + k);
    for (int b = 0; b < B; b++) v[b] = *(const vector *)(y + b * stride + k);
    for (int a = 0; a < B; a++)
      for (int b = 0; b < B; b++) acc[a][b] += u[a] * v[b];
  }
  for (int a = 0; a < B; a++)
    for (int b = 0; b < B; b++) {
      float rest = total(acc[a][b]);
      for (int64_t l = k; l < m; l++) rest += x[a * stride + l] * y[b * stride + l];
      s[a][b] -= rest;
    }
}

/* A = L L' in place, lower triangle, q a multiple of B. A pivot that rounding has eaten is replaced by its own diagonal
 * entry, which only makes the preconditioner more cautious there. The diagonal of L is stored inverted. */
static void factor(float *A, int64_t q, int64_t stride) {
  for (int64_t i = 0; i < q; i += B) {
    float *rows = A + i * stride;
    for (int64_t j = 0; j <= i; j += B) {
      float s[B][B], *pivots = A + j * stride;
      for (int a = 0; a < B; a++)
        for (int b = 0; b < B; b++) s[a][b] = rows[a * stride + j + b];
      dots(rows, pivots, stride, j, s);
      for (int a = 0; a < B; a++)
        for (int b = 0; b < B && j + b <= i + a; b++) {
          float value = s[a][b];
          for (int c = 0; c < b; c++) value -= rows[a * stride + j + c] * pivots[b * stride + j + c];
          if (j + b < i + a) rows[a * stride + j + b] = value * pivots[b * stride + j + b];
          else {
            float diagonal = rows[a * stride + j + b];
            if (!(value > 1e-6f * diagonal)) value = diagonal > 0 ? diagonal : 1;
            rows[a * stride + j + b] = 1 / sqrtf(value);
          }
        }
    }
  }
}

/* x = (L L')^-1 x */
static void solve(const float *restrict A, int64_t q, int64_t stride, float *restrict x) {
  for (int64_t i = 0; i < q; i++) {
    const float *row = A + i * stride;
    vector a = {0}, b = {0};
    int64_t k = 0;
    for (; k + 2 * WIDTH <= i; k += 2 * WIDTH) {
      a += *(const vector *)(row + k) * *(const vector *)(x + k);
      b += *(const vector *)(row + k + WIDTH) * *(const vector *)(x + k + WIDTH);
    }
    float s = total(a + b);
    for (; k < i; k++) s += row[k] * x[k];
    x[i] = (x[i] - s) * row[i];
  }
  for (int64_t i = q - 1; i >= 0; i--) {
    const float *row = A + i * stride;
    float value = x[i] * row[i];
    x[i] = value;
    for (int64_t k = 0; k < i; k++) x[k] -= value * row[k];
  }
}

typedef struct { float *A, *x; int64_t n_classes, q, stride, n_threads; double end; int out_of_time; } blocks_t;

static void factor_share(void *argument, int thread) {
  blocks_t *b = argument;
  for (int64_t k = thread; k < b->n_classes; k += b->n_threads) {
    if (is_over(b->end)) { b->out_of_time = 1; return; }
    factor(b->A + k * b->q * b->stride, b->q, b->stride);
  }
}
static void solve_share(void *argument, int thread) {
  const blocks_t *b = argument;
  for (int64_t k = thread; k < b->n_classes; k += b->n_threads)
    solve(b->A + k * b->q * b->stride, b->q, b->stride, b->x + k * b->q);
}

/* Factor n_classes matrices (q, stride) in place; q is a multiple of 4. Returns DONE or OUT_OF_TIME. */
int64_t EXPORT(factor_blocks)(float *A, int64_t n_classes, int64_t q, int64_t stride, int64_t n_threads, double seconds) {
  blocks_t b = {A, NULL, n_classes, q, stride, n_threads, end_after(seconds), 0};
  parallel(factor_share, &b, (int)n_threads);
  return b.out_of_time ? OUT_OF_TIME : DONE;
}
/* x (n_classes, q) <- the blocks' inverses times x. */
int64_t EXPORT(solve_blocks)(const float *A, float *x, int64_t n_classes, int64_t q, int64_t stride, int64_t n_threads) {
  blocks_t b = {(float *)A, x, n_classes, q, stride, n_threads, INFINITY, 0};
  parallel(solve_share, &b, (int)n_threads);
  return DONE;
}
