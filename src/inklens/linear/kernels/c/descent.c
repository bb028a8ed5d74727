/* Coordinate descent on the quadratic subproblem of a proximal Newton step: matrices in float, vectors in double. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tiles.h"

/* Some coordinates, descended on among themselves while their part of H lies in cache; H is read once for all of it. */
enum { BLOCK = 160, PASSES = 10, AT_ONCE = 8, WORTH_A_THREAD = 400000 };
typedef struct {
  int64_t at[BLOCK];            /* the coordinates */
  int n;
  float part[BLOCK][BLOCK];     /* H among them */
  double slope[BLOCK], before[BLOCK];
} block_t;

static void load_block(block_t *b, int64_t s, const float *H, const double *gradient, const double *w) {
  for (int i = 0; i < b->n; i++) {
    const float *row = H + b->at[i] * s;
    for (int j = 0; j < b->n; j++) b->part[i][j] = row[b->at[j]];
    b->slope[i] = gradient[b->at[i]];
    b->before[i] = w[b->at[i]];
  }
}

typedef struct {
  int64_t s;
  const float *row[BLOCK];
  float step[BLOCK];
  int n, n_threads;
  double *gradient;
} update_t;

/* One thread's stretch of gradient += sum of step * row, AT_ONCE rows at a time. */
static void update_rows(void *task, int thread) {
  const update_t *u = task;
  int64_t from = u->s * thread / u->n_threads, to = u->s * (thread + 1) / u->n_threads;
  for (int first = 0; first < u->n; first += AT_ONCE) {
    const float *const *row = u->row + first, *step = u->step + first;
    for (int64_t m = from; m < to; m++) {
      float sum = 0.0f;
#pragma GCC unroll 8
      for (int r = 0; r < AT_ONCE; r++) sum += step[r] * row[r][m];
      u->gradient[m] += (double)sum;
    }
  }
}

/* gradient += H (w - before), over the rows of the coordinates that moved. */
static void update_gradient(const block_t *b, int64_t s, const float *H, const double *w, double *gradient,
                         int64_t n_threads) {
  update_t u = {.s = s, .gradient = gradient};
  for (int i = 0; i < b->n; i++) {
    double moved = w[b->at[i]] - b->before[i];
    if (moved != 0.0) u.row[u.n] = H + b->at[i] * s, u.step[u.n++] = (float)moved;
  }
  if (u.n == 0) return;
  u.n_threads = u.n * s > WORTH_A_THREAD ? (int)n_threads : 1;
  for (; u.n % AT_ONCE; u.n++) u.row[u.n] = u.row[0], u.step[u.n] = 0.0f;
  parallel(update_rows, &u, u.n_threads);
}

/* Coordinate descent on g'(v - w) + (v - w)' H (v - w) / 2 + sum_j l1_j |v_j| + l2_j v_j^2 / 2 (Friedman et al. 2010,
 * section 2.2), by blocks; where `side` is not 0 it is the sign that v_j may have.
 *
 * `gradient` is g at w on entry and is kept up with w. Sweeps until no coordinate moved its own slope by more than
 * tolerance * unit when its block was taken up. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(gram_descent)(int64_t s, const float *H, double *gradient, double *w, const double *l1, const double *l2,
                             const double *unit, const double *side, double tolerance, int64_t max_sweeps,
                             int64_t n_threads, double seconds) {
  const double end = end_after(seconds);
  block_t *b = malloc(sizeof(block_t));
  if (!b) return NO_MEMORY;
  double largest = INFINITY;
  for (int64_t sweep = 0; sweep < max_sweeps && largest > tolerance; sweep++) {
    largest = 0.0;
    for (int64_t j = 0; j < s;) {
      if (is_over(end)) { free(b); return OUT_OF_TIME; }
      for (b->n = 0; j < s && b->n < BLOCK; j++)
        if ((w[j] != 0.0 || fabs(gradient[j]) > l1[j]) && H[j * s + j] + l2[j] > 0.0) b->at[b->n++] = j;
      load_block(b, s, H, gradient, w);
      double most = INFINITY;
      for (int pass = 0; pass < PASSES && most > 0.3 * tolerance; pass++) {
        most = 0.0;
        for (int i = 0; i < b->n; i++) {
          int64_t at = b->at[i];
          double own = b->part[i][i], curvature = own + l2[at], target = own * w[at] - b->slope[i];
          double next = target > l1[at] && side[at] >= 0.0 ? (target - l1[at]) / curvature
                        : target < -l1[at] && side[at] <= 0.0 ? (target + l1[at]) / curvature : 0.0;
          double step = next - w[at];
          if (step == 0.0) continue;
          w[at] = next;
          most = fmax(most, fabs(step) * curvature / unit[at]);
          add_multiple(b->n, step, b->part[i], b->slope);
        }
        if (pass == 0) largest = fmax(largest, most);
      }
      update_gradient(b, s, H, w, gradient, n_threads);
    }
  }
  free(b);
  return DONE;
}

/* The same for sum_j group_j |v_j| + l2_j |v_j|^2 / 2, where group j holds coordinates j, j + q, j + 2q, ... of s = K q,
 * one per class; groups of infinite `group` stay. Each group is minimised by proximal gradient steps with its own
 * curvature. K is at most BLOCK. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(group_descent)(int64_t q, int64_t K, const float *H, double *gradient, double *w, const double *group,
                              const double *l2, double tolerance, int64_t max_sweeps, int64_t n_threads,
                              double seconds) {
  const int64_t s = K * q;
  const double end = end_after(seconds);
  block_t *b = malloc(sizeof(block_t) + 2 * K * sizeof(double));
  if (!b) return NO_MEMORY;
  double *slope = (double *)(b + 1), *next = slope + K;
  double largest = INFINITY;
  for (int64_t sweep = 0; sweep < max_sweeps && largest > tolerance; sweep++) {
    largest = 0.0;
    for (int64_t j = 0; j < q;) {
      if (is_over(end)) { free(b); return OUT_OF_TIME; }
      for (b->n = 0; j < q && b->n + K <= BLOCK; j++) {
        double norm = 0.0, size = 0.0;
        for (int64_t at = j; at < s; at += q) norm += w[at] * w[at], size += gradient[at] * gradient[at];
        if (isinf(group[j]) || (norm == 0.0 && size <= group[j] * group[j])) continue;
        for (int64_t at = j; at < s; at += q) b->at[b->n++] = at;
      }
      load_block(b, s, H, gradient, w);
      double most = INFINITY;
      for (int pass = 0; pass < PASSES && most > 0.3 * tolerance; pass++) {
        most = 0.0;
        for (int first = 0; first < b->n; first += K) {
          int64_t feature = b->at[first];
          double curvature = 0.0, threshold = group[feature], ridge = l2[feature];
          for (int k = 0; k < K; k++) {
            double row_sum = 0.0;
            for (int l = 0; l < K; l++) row_sum += fabs((double)b->part[first + k][first + l]);
            curvature = fmax(curvature, row_sum);
            slope[k] = b->slope[first + k];
          }
          curvature += ridge;
          if (!(curvature > 0.0)) continue;
          double start[K];
          for (int k = 0; k < K; k++) start[k] = w[b->at[first + k]];
          for (int inner = 0; inner < 20; inner++) {
            double length = 0.0, change = 0.0;
            for (int k = 0; k < K; k++) {
              double u = w[b->at[first + k]];
              next[k] = u - (slope[k] + ridge * u) / curvature;
              length += next[k] * next[k];
            }
            length = sqrt(length);
            double shrink = length > 0.0 ? fmax(0.0, 1.0 - threshold / (curvature * length)) : 0.0;
            for (int k = 0; k < K; k++) {
              double *u = w + b->at[first + k], step = shrink * next[k] - *u;
              change = fmax(change, fabs(step));
              *u += step;
              next[k] = step;
            }
            for (int k = 0; k < K; k++)
              for (int l = 0; l < K; l++) slope[k] += b->part[first + k][first + l] * next[l];
            if (inner == 0) most = fmax(most, change * curvature / threshold);
            if (change * curvature <= 0.1 * tolerance * threshold) break;
          }
          for (int k = 0; k < K; k++) {
            double step = w[b->at[first + k]] - start[k];
            if (step != 0.0) add_multiple(b->n, step, b->part[first + k], b->slope);
          }
        }
        if (pass == 0) largest = fmax(largest, most);
      }
      update_gradient(b, s, H, w, gradient, n_threads);
    }
  }
  free(b);
  return DONE;
}
