/* Newton's steps under thresholds by the whole Hessian (`methods/thresholded.py`), some rounds in one call, in double.
 *
 * Where coefficients are few a round is some hundred microseconds of arithmetic. Here are the steps alone: how good their
 * last point is, a round of that module tells, and proves.
 */
#include "reading.h"

enum { MAX_HALVINGS = 39, MAX_FACES = 10, MAX_LOOKS = 12 };
static const double SUFFICIENT = 1e-3, ROUNDING = 1e-14, FORCING = 1e-3, FINEST = 1e-10; /* as in thresholded.py */
static const double FACE_RIDGE = 1e-12, GOOD_SHARE = 0.5, AT_ZERO = 1e-12;               /* as in face_descent.py */

int64_t EXPORT(threshold_descent)(int64_t K, int64_t q, const double *H, double *g, double *w, const double *l1,
                                  const double *l2, int64_t is_grouped, double tolerance, int64_t max_looks,
                                  double *left, double seconds);

/* What may move: the columns `place` of the classes from `first` on, coordinates a q + j outside by classes, and of
 * `n_own` intercepts all but the first class's. */
typedef struct {
  int64_t K, L, first, q, n, n_own;
  const int64_t *place;   /* (q) */
  const double *l1, *l2;  /* (q) */
  double *H, *border, *corner, *unit, *offset; /* (n, n), (n_own, n), (n_own, n_own), (n_own), (n_own) */
  double *slope, *g, *w, *v;                   /* (n): of the quadratic at w, and at v */
  double *face, *own, *ends, *trial, *x, *scale; /* (n, n), and (n) each: a step on what is not zero */
  int64_t *active;                             /* (n) */
} model_t;

/* An entry of the Laplacian whose edges are the pairs, for two classes and two columns. */
static double entry(const reading_t *r, int64_t a, int64_t b, int64_t i, int64_t j) {
  const double *gram = r->sums + r->size + 1 + i * r->stride + j;
  const int64_t n = r->n_classes - 1, size = r->tall * r->stride;
#define OF_PAIR(a, b) gram[((a) * (2 * n + 1 - (a)) / 2 + (b) - (a) - 1) * size]
  if (a < b) return -OF_PAIR(a, b);
  if (a > b) return -OF_PAIR(b, a);
  double sum = 0.0;
  for (int64_t k = 0; k < a; k++) sum += OF_PAIR(k, a);
  for (int64_t k = a + 1; k <= n; k++) sum += OF_PAIR(a, k);
#undef OF_PAIR
  return sum;
}

static double penalty_of(const model_t *m, const double *v) {
  double sum = 0.0;
  for (int64_t at = 0; at < m->n; at++)
    sum += m->l1[at % m->q] * fabs(v[at]) + 0.5 * m->l2[at % m->q] * v[at] * v[at];
  return sum;
}

/* The quadratic at a point, in which the best intercepts follow the coefficients. Returns DONE or INDEFINITE. */
static int64_t model_at(const reading_t *r, model_t *m, const double *point) {
  const int64_t n = m->n, q = m->q, p = r->rows->n_features, n_own = m->n_own;
  for (int64_t at = 0; at < n; at++) {
    const int64_t a = m->first + at / q, i = m->place[at % q];
    m->w[at] = m->v[at] = point[i * m->L + a];
    m->slope[at] = r->sums[i * m->L + a];
    for (int64_t to = at; to < n; to++)
      m->H[at * n + to] = m->H[to * n + at] = entry(r, a, m->first + to / q, i, m->place[to % q]);
    for (int64_t c = 0; c < n_own; c++) m->border[c * n + at] = entry(r, c + 1, a, p, i);
  }
  if (n_own) {
    for (int64_t c = 0; c < n_own; c++) {
      m->offset[c] = r->sums[p * m->L + c + 1];
      for (int64_t d = c; d < n_own; d++) m->corner[c * n_own + d] = entry(r, c + 1, d + 1, p, p);
    }
    if (factor_upper(n_own, m->corner, m->unit, RIDGE)) return INDEFINITE;
    solve_upper(n_own, m->corner, m->unit, m->offset);
    for (int64_t at = 0; at < n; at++) { /* C^-1 B', column by column, takes B's place once H has been told */
      for (int64_t c = 0; c < n_own; c++) m->x[c] = m->border[c * n + at];
      solve_upper(n_own, m->corner, m->unit, m->x);
      for (int64_t c = 0; c < n_own; c++) {
        m->slope[at] -= m->border[c * n + at] * m->offset[c];
        for (int64_t to = 0; to < n; to++) m->H[at * n + to] -= m->x[c] * m->border[c * n + to];
      }
      for (int64_t c = 0; c < n_own; c++) m->face[c * n + at] = m->x[c];
    }
    memcpy(m->border, m->face, n_own * n * sizeof(double));
  }
  memcpy(m->g, m->slope, n * sizeof(double));
  return DONE;
}

/* Move all classes of a feature alike, which the loss does not feel, to where the sum of their sizes is least. */
static void shift_to_medians(model_t *m) {
  const int64_t K = m->n / m->q;
  for (int64_t j = 0; j < m->q; j++) {
    if (m->l2[j] > 0.0) continue;
    double *sorted = m->x;
    for (int64_t k = 0; k < K; k++) {
      double own = m->v[k * m->q + j];
      int64_t place = k;
      for (; place > 0 && sorted[place - 1] > own; place--) sorted[place] = sorted[place - 1];
      sorted[place] = own;
    }
    double low = sorted[(K - 1) / 2], high = sorted[K / 2], median = low > 0.0 ? low : high < 0.0 ? high : 0.0;
    for (int64_t k = 0; k < K; k++) m->v[k * m->q + j] -= median;
  }
}

/* By how much the function falls to `ends` on the face of n_active coordinates, all of whose signs stay or end. */
static double gain_of(const model_t *m, int64_t n_active, const double *ends, const double *slope) {
  double gain = 0.0;
  for (int64_t i = 0; i < n_active; i++) {
    const double *row = m->H + m->active[i] * m->n, step = ends[i] - m->own[i];
    double curved = m->l2[m->active[i] % m->q] * step;
    if (step == 0.0) continue;
    for (int64_t j = 0; j < n_active; j++) curved += row[m->active[j]] * (ends[j] - m->own[j]);
    gain -= step * (slope[i] + 0.5 * curved);
  }
  return gain;
}

static void cut(const model_t *m, int64_t n_active, double share, double *ends) {
  for (int64_t i = 0; i < n_active; i++) {
    ends[i] = m->own[i] + share * m->x[i];
    if (ends[i] * m->own[i] <= AT_ZERO * m->own[i] * m->own[i]) ends[i] = 0.0;
  }
}

/* Move v and g by Newton's step on what is not zero, or to its first zero. Returns whether they moved. */
static int step_on_face(model_t *m) {
  int64_t n_active = 0;
  for (int64_t at = 0; at < m->n; at++)
    if (m->v[at] != 0.0) m->active[n_active++] = at;
  double *slope = m->trial + m->n;
  for (int64_t i = 0; i < n_active; i++) {
    const int64_t at = m->active[i], j = at % m->q;
    m->own[i] = m->v[at];
    slope[i] = m->g[at] + copysign(m->l1[j], m->own[i]) + m->l2[j] * m->own[i];
    m->x[i] = -slope[i];
    for (int64_t to = i; to < n_active; to++) m->face[i * n_active + to] = m->H[at * m->n + m->active[to]];
    m->face[i * n_active + i] += m->l2[j];
  }
  if (!n_active || factor_upper(n_active, m->face, m->scale, FACE_RIDGE)) return 0;
  solve_upper(n_active, m->face, m->scale, m->x);
  double promise = 0.0, first = 1.0;
  for (int64_t i = 0; i < n_active; i++) {
    promise -= slope[i] * m->x[i];
    if (m->x[i] * m->own[i] < 0.0) first = fmin(first, -m->own[i] / m->x[i]);
  }
  cut(m, n_active, 1.0, m->ends);
  double gain = gain_of(m, n_active, m->ends, slope);
  if (!(gain >= 0.5 * GOOD_SHARE * promise)) {
    cut(m, n_active, first, m->trial);
    double other = gain_of(m, n_active, m->trial, slope);
    if (!(gain >= other)) memcpy(m->ends, m->trial, n_active * sizeof(double)), gain = other;
  }
  if (!(gain > 0.0)) return 0;
  for (int64_t i = 0; i < n_active; i++) {
    const double *row = m->H + m->active[i] * m->n, step = m->ends[i] - m->own[i];
    for (int64_t at = 0; at < m->n && step != 0.0; at++) m->g[at] += step * row[at];
    m->v[m->active[i]] = m->ends[i];
  }
  return 1;
}

/* Bring v close to the quadratic's minimum. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
static int64_t minimise(model_t *m, double end) {
  const int64_t K = m->n / m->q;
  double left, violation;
  int64_t state = JOIN(threshold_descent, ISA)(K, m->q, m->H, m->g, m->v, m->l1, m->l2, 0, FINEST, 0, &violation, INFINITY);
  double tolerance = fmax(FORCING * violation, FINEST);
  for (int face = 0; !state && face < MAX_FACES; face++) {
    state = JOIN(threshold_descent, ISA)(K, m->q, m->H, m->g, m->v, m->l1, m->l2, 0, tolerance, MAX_LOOKS, &left,
                                        end < INFINITY ? end - clock_seconds() : INFINITY);
    if (state || left <= tolerance) break;
    if (K > 2) shift_to_medians(m);
    if (!step_on_face(m)) break;
  }
  return state;
}

/* Take up to `n_rounds` steps from `point` (p + 1, L), which moves, as long as they promise more than `tol` times the
 * objective, and fall: the next one is left to whoever makes a proof of it. `place`, `l1`, `l2` (q) of the columns that move, of the classes from `first` on.
 *
 * told (1): the objective. counts: rounds taken, readings of all rows. A matrix that rounding
 * left indefinite ends the rounds, and so does time that is over; before the first that is the answer. Returns DONE,
 * NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(thresholded_rounds)(const rows_t *rows, const int32_t *codes, const double *weights, int64_t n_classes,
                                   int64_t lanes, int64_t first, int64_t fit_intercept, int64_t q, const int64_t *place,
                                   const double *l1, const double *l2, int64_t n_rounds, double tol, double *point,
                                   double *told, int64_t *counts, int64_t n_threads, double seconds) {
  const int64_t K = n_classes, L = lanes, p = rows->n_features, size = (p + 1) * L;
  reading_t r = {.rows = rows, .codes = codes, .weights = weights, .n_classes = K, .lanes = L, .n_threads = n_threads,
                 .tall = (p + 4) / 4 * 4, .stride = (p + 16) / 16 * 16, .size = size,
                 .n_pairs = K * (K - 1) / 2, .end = end_after(seconds)};
  model_t m = {.K = K, .L = L, .first = first, .q = q, .n = (K - first) * q, .n_own = fit_intercept ? K - 1 : 0,
               .place = place, .l1 = l1, .l2 = l2};
  const int64_t n = m.n, o = m.n_own, widest = n > o ? n : o, sums = n_threads * room_of(&r);
  double *memory =
      aligned_new((sums + n * n + o * n + o * o + 2 * o + widest * n + 10 * widest + size + K) * sizeof(double) +
                  n * sizeof(int64_t));
  if (!memory) return NO_MEMORY;
  r.sums = memory;
  m.H = memory + sums, m.border = m.H + n * n, m.corner = m.border + o * n, m.unit = m.corner + o * o;
  m.offset = m.unit + o, m.face = m.offset + o, m.slope = m.face + widest * n, m.g = m.slope + n, m.w = m.g + n;
  m.v = m.w + n, m.own = m.v + n, m.ends = m.own + n, m.trial = m.ends + n, m.x = m.trial + 2 * n;
  m.scale = m.x + widest;
  double *next = m.scale + n;
  double *shifts = next + size; /* (K), of the intercepts */
  m.active = (int64_t *)(shifts + K);
  int64_t state = read_rows(&r, point, 1), round = 0;
  counts[1] = 1;
  if (!state) {
    for (int64_t at = 0; at < n; at++) m.w[at] = point[place[at % q] * L + first + at / q];
    told[0] = r.sums[size] + penalty_of(&m, m.w);
  }
  while (!state && round < n_rounds) {
    if (model_at(&r, &m, point)) break;
    state = minimise(&m, r.end);
    if (state) break;
    double slope = 0.0, growth = penalty_of(&m, m.v) - penalty_of(&m, m.w), promise = -growth, mean = 0.0, share = 1.0;
    double *step = m.trial;
    for (int64_t at = 0; at < n; at++) {
      step[at] = m.v[at] - m.w[at];
      slope += r.sums[place[at % q] * L + first + at / q] * step[at];
      promise -= 0.5 * (m.slope[at] + m.g[at]) * step[at];
    }
    memset(shifts, 0, K * sizeof(double));
    for (int64_t c = 0; c < o; c++) {
      shifts[c + 1] = -m.offset[c];
      for (int64_t at = 0; at < n; at++) shifts[c + 1] -= m.border[c * n + at] * step[at];
      promise += 0.5 * r.sums[p * L + c + 1] * m.offset[c];
      mean += shifts[c + 1] / (double)K;
    }
    for (int64_t k = 0; o && k < K; k++) shifts[k] -= mean, slope += r.sums[p * L + k] * shifts[k];
    slope += growth;
    if (!(promise > tol * told[0])) break;
    int falls = 0, is_level = 0;
    for (int halving = 0; halving <= MAX_HALVINGS && !falls && !state; halving++, share *= 0.5) {
      memcpy(next, point, size * sizeof(double));
      for (int64_t at = 0; at < n; at++) {
        m.own[at] = m.w[at] + share * step[at];
        if (share == 1.0) m.own[at] = m.v[at];
        next[place[at % q] * L + first + at / q] = m.own[at];
      }
      for (int64_t k = 0; k < K; k++) next[p * L + k] += share * shifts[k];
      state = read_rows(&r, next, 1), counts[1]++;
      if (state) break;
      double objective = r.sums[size] + penalty_of(&m, m.own), rounding = halving ? 0.0 : ROUNDING * told[0];
      falls = objective <= told[0] + SUFFICIENT * share * slope + rounding;
      if (falls) is_level = !(objective < told[0] * (1.0 - ROUNDING)), told[0] = objective;
    }
    if (!falls) break;
    memcpy(point, next, size * sizeof(double));
    round++;
    if (is_level) break;
  }
  aligned_free(memory);
  counts[0] = round;
  return round && state != NO_MEMORY ? DONE : state;
}
