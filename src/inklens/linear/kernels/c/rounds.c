/* Newton's steps by a factor of the whole Hessian (`methods/direct.py`), some rounds in one call, in double.
 *
 * Where coefficients are few a round is some hundred microseconds of arithmetic; nothing is kept for each row.
 */
#include "reading.h"

enum { MAX_HALVINGS = 39 };
static const double SUFFICIENT = 1e-4, ROUNDING = 1e-14; /* as in line_search.py */

/* What may move: some columns, and perhaps the intercept, whose place is after the last one. */
typedef struct {
  int64_t q;
  const int64_t *place; /* (q) */
  const double *l2;     /* (q): 0 for the intercept */
} moving_t;

static double penalty_of(const moving_t *m, const double *point, int64_t K, int64_t L) {
  double sum = 0.0;
  for (int64_t j = 0; j < m->q; j++)
    for (int64_t k = 0; k < K; k++) sum += 0.5 * m->l2[j] * point[m->place[j] * L + k] * point[m->place[j] * L + k];
  return sum;
}

/* g(W) + g*(-G) + <G, W> of the coefficients: sum_jk (l2_j w_jk + G_jk)^2 / (2 l2_j). */
static double gap_of(const moving_t *m, const double *point, const double *gradient, int64_t K, int64_t L) {
  double sum = 0.0;
  for (int64_t j = 0; j < m->q; j++)
    for (int64_t k = 0; m->l2[j] > 0.0 && k < K; k++) {
      double off = m->l2[j] * point[m->place[j] * L + k] + gradient[m->place[j] * L + k];
      sum += off * off / (2.0 * m->l2[j]);
    }
  return sum;
}

/* Upper triangle of A' (Laplacian + l2) A over the moving columns, classes outside: see `direct.reduced_hessian`. */
static void reduce_hessian(const reading_t *r, const moving_t *m, double *H) {
  const int64_t n = r->n_classes - 1, q = m->q, N = n * q, size = r->tall * r->stride;
  const double *grams = r->sums + r->size + 1;
#define ENTRY(a, b) grams[PAIR_OF(a, b) * size + m->place[i] * r->stride + m->place[j]]
#define PAIR_OF(a, b) ((a) * (2 * n + 1 - (a)) / 2 + (b) - (a) - 1) /* of n + 1 classes, a < b */
  for (int64_t i = 0; i < q; i++)
    for (int64_t j = 0; j < q; j++) {
      double corner = i == j ? m->l2[j] : 0.0, ridge = corner;
      for (int64_t k = 0; k < n; k++) corner += ENTRY(k, n);
      for (int64_t a = 0; a < n; a++) {
        double own = 0.0;
        for (int64_t k = 0; k <= n; k++)
          if (k != a) own += k < a ? ENTRY(k, a) : ENTRY(a, k);
        H[(a * q + i) * N + a * q + j] = corner + own + 2.0 * ENTRY(a, n) + ridge;
        for (int64_t b = a + 1; b < n; b++)
          H[(a * q + i) * N + b * q + j] = corner + ENTRY(a, n) + ENTRY(b, n) - ENTRY(a, b);
      }
    }
#undef PAIR_OF
#undef ENTRY
}

/* The Newton step at a point, (p + 1, L). Returns DONE or INDEFINITE. */
static int64_t step_at(const reading_t *r, const moving_t *m, const double *point, double *H, double *step) {
  const int64_t K = r->n_classes, L = r->lanes, q = m->q, N = (K - 1) * q;
  double *x = H + N * N, *unit = x + N;
  for (int64_t k = 0; k < K - 1; k++)
    for (int64_t j = 0; j < q; j++) {
      const double *g = r->sums + m->place[j] * L, *w = point + m->place[j] * L;
      x[k * q + j] = -(g[k] - g[K - 1]) - m->l2[j] * (w[k] - w[K - 1]);
    }
  reduce_hessian(r, m, H);
  if (factor_upper(N, H, unit, RIDGE)) return INDEFINITE;
  solve_upper(N, H, unit, x);
  memset(step, 0, r->size * sizeof(double));
  for (int64_t j = 0; j < q; j++) {
    double *own = step + m->place[j] * L;
    for (int64_t k = 0; k < K - 1; k++) own[k] = x[k * q + j], own[K - 1] -= own[k];
  }
  return DONE;
}

/* Take up to `n_rounds` steps from points[0] until one ends with a gap of `tol` times the objective, or none falls.
 *
 * points (n_rounds + 1, p + 1, L), of which the first is given; steps (n_rounds, p + 1, L) as Newton has them, whole;
 * told (n_rounds + 1, 3): objective, gap of the softmax, and by how much the step to there was to decrease the objective.
 * counts: rounds taken, and readings of all rows. A matrix that rounding left indefinite ends the rounds, and so does
 * time that is over; before the first round that is the answer. Returns DONE, NO_MEMORY, INDEFINITE or OUT_OF_TIME. */
int64_t EXPORT(newton_rounds)(const rows_t *rows, const int32_t *codes, const double *weights, int64_t n_classes, int64_t lanes,
                              int64_t q, const int64_t *place, const double *l2, int64_t n_rounds, double tol,
                              double *points, double *steps, double *told, int64_t *counts, int64_t n_threads,
                              double seconds) {
  const int64_t K = n_classes, L = lanes, size = (rows->n_features + 1) * L, N = (K - 1) * q;
  reading_t r = {.rows = rows, .codes = codes, .weights = weights, .n_classes = K, .lanes = L, .n_threads = n_threads,
                 .tall = (rows->n_features + 4) / 4 * 4, .stride = (rows->n_features + 16) / 16 * 16, .size = size,
                 .n_pairs = K * (K - 1) / 2, .end = end_after(seconds)};
  const moving_t m = {q, place, l2};
  const double hasty = sqrt(tol); /* decreases below which the next point is likely to be the last: no Hessian yet */
  double *memory = aligned_new((n_threads * room_of(&r) + N * N + 2 * N) * sizeof(double));
  if (!memory) return NO_MEMORY;
  double *H = memory + n_threads * room_of(&r);
  r.sums = memory;
  int64_t state = read_rows(&r, points, 1), is_known = 1, round = 0;
  told[0] = r.sums[size] + penalty_of(&m, points, K, L), told[1] = gap_of(&m, points, r.sums, K, L), told[2] = 0.0;
  counts[1] = 1;
  for (; !state && round < n_rounds; round++) {
    double *point = points + round * size, *next = point + size, *step = steps + round * size, *tell = told + 3 * round;
    if (!is_known) state = read_rows(&r, point, 1), counts[1]++;
    if (!state) state = step_at(&r, &m, point, H, step);
    if (state) break;
    double slope = 0.0, share = 1.0, objective = INFINITY, rounding = ROUNDING * tell[0];
    for (int64_t j = 0; j < q; j++)
      for (int64_t k = 0; k < K; k++) {
        int64_t at = place[j] * L + k;
        slope += (r.sums[at] + l2[j] * point[at]) * step[at];
      }
    is_known = -0.5 * slope > hasty * tell[0];
    for (int halving = 0; halving <= MAX_HALVINGS; halving++, share *= 0.5, rounding = 0.0) {
      for (int64_t at = 0; at < size; at++) next[at] = point[at] + share * step[at];
      state = read_rows(&r, next, (int)is_known), counts[1]++;
      if (state) break;
      objective = r.sums[size] + penalty_of(&m, next, K, L);
      if (objective <= tell[0] + SUFFICIENT * share * slope + rounding) break;
    }
    if (state) break;
    if (!(objective <= tell[0] + SUFFICIENT * share * slope + rounding)) { /* no share of the step falls */
      memcpy(next, point, size * sizeof(double));
      state = read_rows(&r, next, 0), counts[1]++, is_known = 0;
      if (state) break;
      objective = tell[0];
    }
    tell[3] = objective, tell[4] = gap_of(&m, next, r.sums, K, L), tell[5] = -0.5 * slope;
    if (tell[4] <= tol * objective || !(objective < tell[0] * (1.0 - ROUNDING))) { round++; break; }
  }
  aligned_free(memory);
  counts[0] = round;
  return round && state != NO_MEMORY ? DONE : state;
}
