/* Dense algebra on the quadratic subproblem's Hessian: products, and Cholesky factors of its faces (`faces.py`).
 *
 * Matrices in float, vectors in double, on threads that sleep when they wait.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tiles.h"

enum { COLUMN_PANEL = 96 }; /* rows of a Cholesky panel: a multiple of WIDE on every instruction set */

typedef struct {
  int64_t s, m, stride;
  const float *H;
  const double *left, *right, *x;
  double *y;
  float *out;
  const int64_t *active;
  const double *ridge;
  int64_t from, columns, n_threads, next;
  double end;     /* of the time for it */
  int out_of_time;
} algebra_t;

/* Whether the time is over, which the other threads see for themselves. */
static inline int is_late(algebra_t *t) {
  if (!is_over(t->end)) return 0;
  t->out_of_time = 1;
  return 1;
}

static void multiply_share(void *task, int thread) {
  algebra_t *t = task;
  int64_t from = t->s * thread / t->n_threads, to = t->s * (thread + 1) / t->n_threads;
  memset(t->y + from, 0, (to - from) * sizeof(double));
  for (int64_t j = 0; j < t->s; j++)
    if (t->x[j] != 0.0) add_multiple(to - from, t->x[j], t->H + j * t->s + from, t->y + from);
}

/* y = H x for symmetric H. */
int64_t EXPORT(symmetric_product)(int64_t s, const float *H, const double *x, double *y, int64_t n_threads) {
  algebra_t task = {.s = s, .H = H, .x = x, .y = y, .n_threads = n_threads};
  parallel(multiply_share, &task, (int)n_threads);
  return DONE;
}

static void subtract_share(void *task, int thread) {
  algebra_t *t = task;
  for (int64_t i = t->s * thread / t->n_threads; i < t->s * (thread + 1) / t->n_threads && !is_late(t); i++)
    for (int64_t k = 0; k < t->columns; k++) {
      float factor = -(float)t->left[i * t->columns + k];
      float *restrict row = t->out + i * t->s;
      const double *restrict right = t->right + k * t->s;
      for (int64_t j = 0; j < t->s; j++) row[j] += factor * (float)right[j];
    }
}

/* H -= left right for left (s, columns), right (columns, s). Returns DONE or OUT_OF_TIME. */
int64_t EXPORT(subtract_product)(int64_t s, int64_t columns, float *H, const double *left, const double *right,
                                 int64_t n_threads, double seconds) {
  algebra_t task = {.s = s, .columns = columns, .out = H, .left = left, .right = right, .n_threads = n_threads,
                    .end = end_after(seconds)};
  parallel(subtract_share, &task, (int)n_threads);
  return task.out_of_time ? OUT_OF_TIME : DONE;
}

static void gather_share(void *task, int thread) {
  algebra_t *t = task;
  for (int64_t a = thread; a < t->m; a += t->n_threads) {
    if (a / t->n_threads % 64 == 0 && is_late(t)) return;
    const float *row = t->H + t->active[a] * t->s;
    float *out = t->out + a * t->stride;
    for (int64_t b = a; b < t->m; b++) out[b] = row[t->active[b]];
    for (int64_t b = t->m; b < t->stride; b++) out[b] = 0.0f;
    out[a] += (float)t->ridge[a];
  }
}

/* Columns right of a factored panel: divide the panel's rows by its triangle, then take its square off what is below. */
static void panel_share(void *task, int thread) {
  algebra_t *t = task;
  int64_t height = t->m - t->from < COLUMN_PANEL ? t->m - t->from : COLUMN_PANEL, right = t->from + height;
  int64_t strips = (t->stride - right + WIDE - 1) / WIDE;
  for (int64_t strip = thread; strip < strips; strip += t->n_threads) {
    int64_t side = right + strip * WIDE, width = t->stride - side < WIDE ? t->stride - side : WIDE;
    for (int64_t r = 0; r < height; r++) {
      float *row = t->out + (t->from + r) * t->stride;
      for (int64_t q = 0; q < r; q++) {
        const float *above = t->out + (t->from + q) * t->stride;
        float factor = above[t->from + r];
        for (int64_t j = side; j < side + width; j++) row[j] -= factor * above[j];
      }
      float inverse = 1.0f / row[t->from + r];
      for (int64_t j = side; j < side + width; j++) row[j] *= inverse;
    }
  }
}

static void trailing_share(void *task, int thread) {
  algebra_t *t = task;
  (void)thread;
  int64_t right = t->from + COLUMN_PANEL; /* a full panel: there are rows below it */
  const float *rows[COLUMN_PANEL];
  float left[COLUMN_PANEL * TALL];
  mask_t all = {0};
  for (int r = 0; r < COLUMN_PANEL; r++) all[r / 64] |= (uint64_t)1 << r % 64;
  for (int r = 0; r < COLUMN_PANEL; r++) rows[r] = t->out + (t->from + r) * t->stride;
  for (;;) {
    int64_t top = right + __atomic_fetch_add(&t->next, 1, __ATOMIC_RELAXED) * TALL;
    if (top >= t->m || is_late(t)) return;
    int tall = t->m - top < TALL ? (int)(t->m - top) : TALL;
    for (int r = 0; r < COLUMN_PANEL; r++)
      for (int j = 0; j < TALL; j++) left[r * TALL + j] = j < tall ? -rows[r][top + j] : 0.0f;
    for (int64_t side = right + (top - right) / WIDE * WIDE; side < t->stride; side += WIDE)
      add_tile(all, all, left, rows, side, t->out + top * t->stride + side, t->stride, tall,
               t->stride - side < WIDE ? (int)(t->stride - side) : WIDE, 3);
  }
}

/* Upper triangle of a panel's own block; returns 1 where it is not positive definite. */
static int factor_block(float *A, int64_t stride, int64_t from, int64_t height) {
  for (int64_t r = from; r < from + height; r++) {
    float *row = A + r * stride;
    if (!(row[r] > 0.0f)) return 1;
    float inverse = 1.0f / sqrtf(row[r]);
    for (int64_t j = r; j < from + height; j++) row[j] *= inverse;
    for (int64_t i = r + 1; i < from + height; i++)
      for (int64_t j = i; j < from + height; j++) A[i * stride + j] -= row[i] * row[j];
  }
  return 0;
}

/* Numbers that the factor of a face of m coordinates takes. */
int64_t EXPORT(factor_size)(int64_t m) { return m * ((m + WIDE - 1) / WIDE * WIDE) + WIDE; }

/* Write the Cholesky factor U'U of H[active][:, active] + diag(ridge) - curvature into A, factor_size(m) numbers that start on
 * a cache line. `curvature` (m / q, m / q, q), or NULL, is taken off entries (k q + j, l q + j). Returns DONE, INDEFINITE
 * where rounding made the matrix so, or OUT_OF_TIME. */
int64_t EXPORT(factor_face)(int64_t s, const float *H, int64_t m, const int64_t *active, const double *ridge,
                            const double *curvature, int64_t q, float *A, int64_t n_threads, double seconds) {
  int64_t stride = (m + WIDE - 1) / WIDE * WIDE;
  algebra_t task = {.s = s, .m = m, .stride = stride, .H = H, .out = A, .active = active, .ridge = ridge,
                    .n_threads = n_threads, .end = end_after(seconds)};
  parallel(gather_share, &task, (int)n_threads);
  for (int64_t k = 0; curvature && k < m / q; k++)
    for (int64_t l = k; l < m / q; l++)
      for (int64_t j = 0; j < q; j++) A[(k * q + j) * stride + l * q + j] -= (float)curvature[(k * (m / q) + l) * q + j];
  for (int64_t from = 0; from < m; from += COLUMN_PANEL) {
    int64_t height = m - from < COLUMN_PANEL ? m - from : COLUMN_PANEL, below = m - from - height;
    if (task.out_of_time || is_late(&task)) return OUT_OF_TIME;
    if (factor_block(A, stride, from, height)) return INDEFINITE;
    if (below == 0) continue;
    task.from = from;
    task.next = 0;
    task.n_threads = below < 2 * COLUMN_PANEL ? 1 : n_threads;
    parallel(panel_share, &task, (int)task.n_threads);
    parallel(trailing_share, &task, (int)task.n_threads);
  }
  return task.out_of_time ? OUT_OF_TIME : DONE;
}

/* Solve U'U y = x in place. */
int64_t EXPORT(solve_factored)(int64_t m, const float *A, double *x) {
  int64_t stride = (m + WIDE - 1) / WIDE * WIDE;
  for (int64_t r = 0; r < m; r++) { /* U' y = x */
    const float *row = A + r * stride;
    x[r] /= row[r];
    for (int64_t j = r + 1; j < m; j++) x[j] -= x[r] * row[j];
  }
  for (int64_t r = m - 1; r >= 0; r--) { /* U x = y */
    const float *row = A + r * stride;
    double partial[8] = {0}, sum = 0.0;
    int64_t j = r + 1;
    for (; j + 8 <= m; j += 8)
      for (int lane = 0; lane < 8; lane++) partial[lane] += row[j + lane] * x[j + lane];
    for (; j < m; j++) sum += row[j] * x[j];
    for (int lane = 0; lane < 8; lane++) sum += partial[lane];
    x[r] = (x[r] - sum) / row[r];
  }
  return 0;
}

static void solve_many_share(void *task, int thread) {
  algebra_t *t = task;
  for (int64_t group = thread; group < t->columns; group += t->n_threads) {
    lanes_t *x = (lanes_t *)t->out + group * t->m;
    for (int64_t r = 0; r < t->m; r++) { /* U' y = x */
      if (r % 128 == 0 && is_late(t)) return;
      const float *row = t->H + r * t->stride;
      lanes_t own = x[r] = x[r] / row[r];
      for (int64_t j = r + 1; j < t->m; j++) x[j] -= row[j] * own;
    }
    for (int64_t r = t->m - 1; r >= 0; r--) { /* U x = y */
      if (r % 128 == 0 && is_late(t)) return;
      const float *row = t->H + r * t->stride;
      lanes_t sum[4] = {{0}};
      int64_t j = r + 1;
      for (; j + 4 <= t->m; j += 4)
        for (int q = 0; q < 4; q++) sum[q] += row[j + q] * x[j + q];
      for (; j < t->m; j++) sum[0] += row[j] * x[j];
      x[r] = (x[r] - ((sum[0] + sum[1]) + (sum[2] + sum[3]))) / row[r];
    }
  }
}

/* Vectors that `solve_many` takes at a time. */
int64_t EXPORT(solve_lanes)(void) { return LANES; }

/* Solve U'U Y = X in place for many right-hand sides, solve_lanes() at a time: X (groups, m, lanes), on cache lines.
 * Returns DONE or OUT_OF_TIME. */
int64_t EXPORT(solve_many)(int64_t m, const float *A, int64_t groups, float *X, int64_t n_threads, double seconds) {
  algebra_t task = {.m = m, .stride = (m + WIDE - 1) / WIDE * WIDE, .H = A, .out = X, .columns = groups,
                    .n_threads = n_threads, .end = end_after(seconds)};
  parallel(solve_many_share, &task, (int)n_threads);
  return task.out_of_time ? OUT_OF_TIME : DONE;
}
