/* Coordinate descent on a small quadratic with thresholds, all in double: the model of a Newton step where coefficients
 * are few (`methods/thresholded.py`).
 *
 * Coordinates are (class, feature) pairs, k q + j of n = K q. Features are thresholded one coefficient at a time, or with
 * `is_grouped` all of their classes together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { LOOK = 8, GROUP_STEPS = 6 }; /* sweeps between two looks at all conditions; proximal steps of a group's visit */
static const double SLOW = 0.1;     /* of the violation that LOOK sweeps leave: then a step on the face is worth more */

typedef struct {
  int64_t K, q, n, is_grouped;
  const double *H;          /* (n, n), symmetric */
  double *g, *w;            /* gradient of the quadratic at w */
  const double *l1, *l2;    /* (q) */
  double *before;           /* (K) */
} thresholds_t;

static inline double soft(double target, double l1) {
  return target > l1 ? target - l1 : target < -l1 ? target + l1 : 0.0;
}

static void move(const thresholds_t *m, int64_t at, double step) {
  const double *restrict row = m->H + at * m->n;
  double *restrict g = m->g;
  for (int64_t i = 0; i < m->n; i++) g[i] += step * row[i];
}

static void visit(const thresholds_t *m, int64_t at) {
  double own = m->H[at * m->n + at], l1 = m->l1[at % m->q], l2 = m->l2[at % m->q], curvature = own + l2;
  if (!(curvature > 0.0)) return;
  double step = soft(own * m->w[at] - m->g[at], l1) / curvature - m->w[at];
  if (step == 0.0) return;
  m->w[at] += step;
  move(m, at, step);
}

/* Proximal steps of one group by a bound of its own curvature (row sums), the others at rest. */
static void visit_group(const thresholds_t *m, int64_t j) {
  double curvature = 0.0;
  for (int64_t k = 0; k < m->K; k++) {
    double sum = m->l2[j];
    for (int64_t l = 0; l < m->K; l++) sum += fabs(m->H[(k * m->q + j) * m->n + l * m->q + j]);
    curvature = fmax(curvature, sum);
  }
  if (!(curvature > 0.0)) return;
  for (int turn = 0; turn < GROUP_STEPS; turn++) {
    double size = 0.0;
    for (int64_t k = 0; k < m->K; k++) {
      int64_t at = k * m->q + j;
      m->before[k] = m->w[at] - (m->g[at] + m->l2[j] * m->w[at]) / curvature;
      size += m->before[k] * m->before[k];
    }
    size = sqrt(size);
    double kept = size > 0.0 ? fmax(0.0, 1.0 - m->l1[j] / (curvature * size)) : 0.0;
    int moves = 0;
    for (int64_t k = 0; k < m->K; k++) {
      int64_t at = k * m->q + j;
      double step = kept * m->before[k] - m->w[at];
      if (step == 0.0) continue;
      m->w[at] += step, moves = 1;
      move(m, at, step);
    }
    if (!moves) return;
  }
}

/* By how much feature j violates its conditions at most, in thresholds. */
static double violation_of(const thresholds_t *m, int64_t j) {
  double most = 0.0, size = 0.0, inside = 0.0, norm = 0.0, l1 = m->l1[j];
  for (int64_t at = j; at < m->n; at += m->q) norm += m->w[at] * m->w[at];
  norm = sqrt(norm);
  for (int64_t at = j; at < m->n; at += m->q) {
    double w = m->w[at], slope = m->g[at] + m->l2[j] * w;
    if (!m->is_grouped) {
      most = fmax(most, w != 0.0 ? fabs(slope + copysign(l1, w)) : fabs(slope) - l1);
      continue;
    }
    size += slope * slope;
    slope += norm > 0.0 ? l1 * w / norm : 0.0;
    inside += slope * slope;
  }
  if (m->is_grouped) most = norm > 0.0 ? sqrt(inside) : sqrt(size) - l1;
  return fmax(most, 0.0) / l1;
}

static double violation(const thresholds_t *m) {
  double most = 0.0;
  for (int64_t j = 0; j < m->q; j++) {
    double own = violation_of(m, j);
    if (!(own <= most)) most = own; /* what is no number counts */
  }
  return most;
}

/* Minimise g'(v - w) + (v - w)' H (v - w) / 2 + sum_j l1_j |v_j| + l2_j |v_j|^2 / 2 over v, which takes the place of w,
 * as g takes that of the gradient there. Ends within `tolerance` thresholds of all conditions, or where sweeps are slow;
 * `left` is the violation then. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(threshold_descent)(int64_t K, int64_t q, const double *H, double *g, double *w, const double *l1,
                                  const double *l2, int64_t is_grouped, double tolerance, int64_t max_looks,
                                  double *left, double seconds) {
  const double end = end_after(seconds);
  double *before = malloc((K + 1) * sizeof(double));
  if (!before) return NO_MEMORY;
  thresholds_t own = {K, q, K * q, is_grouped, H, g, w, l1, l2, before}, *m = &own;
  int64_t result = DONE;
  *left = violation(m);
  for (int64_t look = 0; look < max_looks && *left > tolerance && !result; look++) {
    for (int sweep = 0; sweep < LOOK; sweep++) /* the first over all coordinates, the others over those in use */
      for (int64_t at = 0; at < (is_grouped ? q : m->n); at++) {
        if (sweep && !is_grouped && w[at] == 0.0) continue;
        if (is_grouped) visit_group(m, at);
        else visit(m, at);
      }
    double before_these = *left;
    *left = violation(m);
    if (is_over(end)) result = OUT_OF_TIME;
    if (!(*left <= SLOW * before_these)) break;
  }
  free(before);
  return result;
}
