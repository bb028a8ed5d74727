/* One reading of all rows, some at a time: loss, gradient, and the pairs' Gram matrices of `curvature.c`, in double.
 *
 * Nothing is kept for each row. For methods whose coefficients are few: `rounds.c`, `thresholded_rounds.c`.
 */
#ifndef INKLENS_READING_H
#define INKLENS_READING_H
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

enum { AT_ONCE = 256 };  /* rows of a reading: whole panels */
enum { LOSS_MODE = 1 };  /* of a pass, as in kernels.c */
static const double RIDGE = 1e-15; /* on a diagonal of ones, as in direct.py */

int64_t EXPORT(pass_f64)(const rows_t *rows, const pass_t *pass);
int64_t EXPORT(workspace_bytes)(int64_t n_features, int64_t lanes);
int64_t EXPORT(edge_grams)(const rows_t *rows, const double *proba, const double *weights, int64_t n_classes, int64_t lanes,
                           double *grams, int64_t tall, int64_t stride, int64_t n_threads, double seconds);

typedef struct {
  const rows_t *rows;
  const int32_t *codes;
  const double *weights;
  int64_t n_classes, lanes, n_threads, tall, stride, size, n_pairs;
  const double *point; /* (p + 1, L): coefficients, and the intercept in the last row */
  double *sums;        /* (n_threads, size + 1 + n_pairs tall stride): gradient (p + 1, L), loss, grams */
  int has_grams;
  double end;
  int64_t *failed;
} reading_t;

static int64_t room_of(const reading_t *r) { return r->size + 1 + r->n_pairs * r->tall * r->stride; }

static rows_t part_of(const rows_t *rows, int64_t from, int64_t count) {
  static const int64_t bytes[] = {1, 4, 8};
  rows_t part = *rows;
  part.n_rows = count;
  if (rows->layout < CSR16)
    part.values = (const char *)rows->values + from * rows->row_stride * bytes[rows->value_type];
  else part.indptr += from;
  if (rows->panel_starts)
    part.panel_starts += from / PANEL * ((rows->n_features + rows->panel_columns - 1) / rows->panel_columns + 1);
  return part;
}

static void reading_share(void *argument, int thread) {
  const reading_t *r = argument;
  const int64_t L = r->lanes, p = r->rows->n_features, room = room_of(r);
  double *own = r->sums + thread * room;
  const int64_t from = first_row(r->rows, thread, (int)r->n_threads), to = first_row(r->rows, thread + 1, (int)r->n_threads);
  const int64_t workspace = JOIN(workspace_bytes, ISA)(p, L);
  memset(own, 0, (r->has_grams ? room : r->size + 1) * sizeof(double));
  char *memory = aligned_new(workspace + (AT_ONCE * L + r->size) * sizeof(double));
  if (!memory) { r->failed[thread] = NO_MEMORY; return; }
  double *proba = (double *)(memory + workspace), *gradient = proba + AT_ONCE * L, loss;
  for (int64_t row = from; row < to; row += AT_ONCE) {
    if (is_over(r->end)) { r->failed[thread] = OUT_OF_TIME; break; }
    rows_t part = part_of(r->rows, row, to - row < AT_ONCE ? to - row : AT_ONCE);
    pass_t pass = {.mode = LOSS_MODE, .n_classes = (int32_t)r->n_classes, .lanes = (int32_t)L, .n_threads = 1,
                   .coef = r->point, .intercept = r->point + p * L, .codes = r->codes + row, .weights = r->weights + row,
                   .proba = proba, .gradient = gradient, .class_sums = gradient + p * L, .loss = &loss,
                   .workspace = memory};
    int64_t failed = JOIN(pass_f64, ISA)(&part, &pass);
    if (!failed && r->has_grams)
      failed = JOIN(edge_grams, ISA)(&part, proba, pass.weights, r->n_classes, L, own + r->size + 1, r->tall, r->stride, 1,
                                  INFINITY);
    if (failed) { r->failed[thread] = NO_MEMORY; break; }
    for (int64_t q = 0; q < r->size; q++) own[q] += gradient[q];
    own[r->size] += loss;
  }
  aligned_free(memory);
}

/* Loss, gradient and perhaps grams at a point, in the first thread's sums. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
static int64_t read_rows(reading_t *r, const double *point, int has_grams) {
  int64_t failed[MAX_THREADS] = {DONE}, room = room_of(r), used = has_grams ? room : r->size + 1;
  r->point = point, r->has_grams = has_grams, r->failed = failed;
  parallel(reading_share, r, (int)r->n_threads);
  for (int t = 0; t < r->n_threads; t++) {
    if (failed[t]) return failed[t];
    for (int64_t q = 0; t && q < used; q++) r->sums[q] += r->sums[t * room + q];
  }
  return DONE;
}

/* Replace H (N, N), of which the upper triangle is given, by a factor of it in units of a diagonal of 1, and a ridge.
 * Returns DONE or INDEFINITE. */
static int64_t factor_upper(int64_t N, double *H, double *unit, double ridge) {
  for (int64_t i = 0; i < N; i++) unit[i] = H[i * N + i] > 0.0 ? 1.0 / sqrt(H[i * N + i]) : 0.0;
  for (int64_t i = 0; i < N; i++) {
    for (int64_t j = i; j < N; j++) H[i * N + j] *= unit[i] * unit[j];
    H[i * N + i] += ridge;
  }
  for (int64_t r = 0; r < N; r++) {
    double *restrict row = H + r * N;
    if (!(row[r] > 0.0)) return INDEFINITE;
    double inverse = 1.0 / sqrt(row[r]);
    for (int64_t j = r; j < N; j++) row[j] *= inverse;
    for (int64_t i = r + 1; i < N; i++) {
      double factor = row[i], *restrict below = H + i * N;
      for (int64_t j = i; j < N; j++) below[j] -= factor * row[j];
    }
  }
  return DONE;
}

/* Replace x (N) by what the factored matrix takes to it. */
static void solve_upper(int64_t N, const double *U, const double *unit, double *x) {
  for (int64_t i = 0; i < N; i++) x[i] *= unit[i];
  for (int64_t r = 0; r < N; r++) {
    x[r] /= U[r * N + r];
    for (int64_t j = r + 1; j < N; j++) x[j] -= x[r] * U[r * N + j];
  }
  for (int64_t r = N - 1; r >= 0; r--) {
    double sum = x[r];
    for (int64_t j = r + 1; j < N; j++) sum -= U[r * N + j] * x[j];
    x[r] = sum / U[r * N + r];
  }
  for (int64_t i = 0; i < N; i++) x[i] *= unit[i];
}

#endif
