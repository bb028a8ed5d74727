/* Descent by columns on a proximal Newton model of sparse rows: no matrix over the coefficients is made.
 *
 * The model's gradient over column j is slope_j + sum_i x_ij v_i, where v_i = c_i (diag p_i - p_i p_i') u_i belongs to
 * the scores u_i that the step adds to row i. v (n, L) is kept up with every move; a visit of a column reads and writes
 * the rows that it has values in, and minimises over all classes at once. Rows hold their classes in L lanes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { MOST_CLASSES = 512, PASSES = 12, ROWS_AT_ONCE = 1024, MAX_FACE_STEPS = 40, MAX_SHRINKS = 8 };
enum { FIRST_SWEEPS = 8, LATER_SWEEPS = 4 }; /* before the first step on a face, which wants the signs, and later ones */
static const double FACE_ACCURACY = 0.05;    /* of the residual, in the norm of its diagonal */
static const double SHRINK_RATIO = 0.4;      /* of a face step that does not lower the model */
static const double CLOSE_RATIO = 0.1; /* of the first move within a column, or of the tolerance: the last one */

typedef struct {
  int64_t n_rows, n_columns, K, L, first, is_grouped; /* classes before `first` are held at 0 */
  const int64_t *starts;   /* (q + 1): entries of a column */
  const int32_t *rows;
  const float *values;
  const float *proba;      /* (n, L), 0 in spare lanes */
  const float *weights;    /* (n) */
  float *v;                /* (n, L) */
  const double *slope;     /* (q, L) */
  double *w;               /* (q, L): the coefficients, moved */
  const double *l1, *l2;   /* (q) */
  float *curvature;        /* (q, K, L): known from the first visit that wants to move */
  uint8_t *is_known;       /* (q) */
  double damping, tolerance;
} model_t;

/* The lanes of a row in vectors: loops over few lanes the compiler unrolls, and leaves to one number at a time. `does`
 * is told the type `some` and where its lanes begin, `at`. */
typedef float some4_t __attribute__((vector_size(16), aligned(4), may_alias));
typedef float some8_t __attribute__((vector_size(32), aligned(4), may_alias));
typedef float some16_t __attribute__((vector_size(64), aligned(4), may_alias));
#define IN_VECTORS(L, does) do { \
    int at = 0; \
    for (; at + 16 <= (L); at += 16) { typedef some16_t some; does; } \
    for (; at + 8 <= (L); at += 8) { typedef some8_t some; does; } \
    for (; at + 4 <= (L); at += 4) { typedef some4_t some; does; } } while (0)
#define AT(x) (*(some *)((x) + at))
#define READ(x) (*(const some *)((x) + at))

static inline __attribute__((always_inline)) float total_of(const float *x, int L) {
  some4_t sum = *(const some4_t *)x;
  for (int k = 4; k < L; k += 4) sum += *(const some4_t *)(x + k);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Add the edges c x^2 p_k p_l of one row to the off-diagonal of M (K, L). */
static inline __attribute__((always_inline)) void add_edges(float *restrict M, const float *restrict p, float cxx, int K,
                                                            int L) {
  for (int k = 0; k < K; k++) {
    const float own = cxx * p[k];
    if (own == 0.0f) continue;
    float *restrict row = M + (int64_t)k * L;
    IN_VECTORS(L, AT(row) -= own * READ(p));
  }
}

/* sum (L) += the rows of some entries, each x_i times its lanes; of all rows, as they come, where `entries` is NULL.
 * Two sums take turns, as a sum waits for the one before. */
static inline __attribute__((always_inline)) void add_rows(const float *rows, const int32_t *entries, const float *values,
                                                           int64_t from, int64_t to, float *sum, int L) {
  float other[MOST_CLASSES];
  for (int k = 0; k < L; k++) sum[k] = other[k] = 0.0f;
  int64_t e = from;
  for (; e + 2 <= to; e += 2) {
    const float *a = rows + (entries ? entries[e] : e) * L, *b = rows + (entries ? entries[e + 1] : e + 1) * L;
    const float x = values ? values[e] : 1.0f, y = values ? values[e + 1] : 1.0f;
    IN_VECTORS(L, AT(sum) += x * READ(a); AT(other) += y * READ(b));
  }
  if (e < to) {
    const float *a = rows + (entries ? entries[e] : e) * L, x = values ? values[e] : 1.0f;
    IN_VECTORS(L, AT(sum) += x * READ(a));
  }
  IN_VECTORS(L, AT(sum) += READ(other));
}

/* The diagonal of a Laplacian is what its edges sum to: 1 - p would be a difference of rounded numbers. */
static void close_edges(float *M, int K, int L) {
  for (int k = 0; k < K; k++) {
    float *row = M + (int64_t)k * L, sum = 0.0f;
    row[k] = 0.0f;
    for (int l = 0; l < K; l++) sum -= row[l];
    row[k] = sum;
  }
}

static inline __attribute__((always_inline)) void make_curvature(const model_t *m, int64_t j, int L) {
  float *M = m->curvature + j * m->K * L;
  memset(M, 0, m->K * L * sizeof(float));
  for (int64_t e = m->starts[j]; e < m->starts[j + 1]; e++) {
    int64_t i = m->rows[e];
    add_edges(M, m->proba + i * L, m->weights[i] * m->values[e] * m->values[e], (int)m->K, L);
  }
  close_edges(M, (int)m->K, L);
  m->is_known[j] = 1;
}

static inline __attribute__((always_inline)) void model_gradient(const model_t *m, int64_t j, double *g, int L) {
  for (int k = 0; k < L; k++) g[k] = m->slope[j * L + k];
  for (int64_t from = m->starts[j]; from < m->starts[j + 1]; from += ROWS_AT_ONCE) {
    int64_t to = from + ROWS_AT_ONCE < m->starts[j + 1] ? from + ROWS_AT_ONCE : m->starts[j + 1];
    float sum[MOST_CLASSES];
    add_rows(m->v, m->rows, m->values, from, to, sum, L);
    for (int k = 0; k < L; k++) g[k] += (double)sum[k];
  }
}

static inline __attribute__((always_inline)) void move_row(float *restrict v, const float *restrict p, const float *restrict d,
                                                           float cx, int L) {
  float along[MOST_CLASSES];
  IN_VECTORS(L, AT(along) = READ(p) * READ(d));
  const float mean = total_of(along, L);
  IN_VECTORS(L, AT(v) += cx * READ(p) * (READ(d) - mean));
}

static inline __attribute__((always_inline)) void move_column(const model_t *m, int64_t j, const float *d, int L) {
  for (int64_t e = m->starts[j]; e < m->starts[j + 1]; e++) {
    int64_t i = m->rows[e];
    move_row(m->v + i * L, m->proba + i * L, d, m->weights[i] * m->values[e], L);
  }
}

/* The largest violation of the optimality conditions by a column, in thresholds. */
static double violation_of(const model_t *m, int64_t j, const double *g) {
  const double *w = m->w + j * m->L, l1 = m->l1[j], l2 = m->l2[j];
  double most = 0.0;
  if (m->is_grouped) {
    double norm = 0.0, size = 0.0, off = 0.0;
    for (int k = 0; k < m->K; k++) norm += w[k] * w[k], size += g[k] * g[k];
    if (norm == 0.0) return fmax(0.0, sqrt(size) - l1) / l1;
    norm = sqrt(norm);
    for (int k = 0; k < m->K; k++) {
      double r = g[k] + (l2 + l1 / norm) * w[k];
      off += r * r;
    }
    return sqrt(off) / l1;
  }
  for (int64_t k = m->first; k < m->K; k++) {
    double own = w[k] > 0.0 ? fabs(g[k] + l2 * w[k] + l1) : w[k] < 0.0 ? fabs(g[k] + l2 * w[k] - l1) : fabs(g[k]) - l1;
    most = fmax(most, own);
  }
  return most / l1;
}

/* Move w by coordinates on g'd + d'Md / 2 + l1 |w + d|_1 + l2 |w + d|^2 / 2 (Friedman et al. 2010, section 2.2). */
static void descend_classes(const model_t *m, const float *M, double *g, double *w, double l1, double l2) {
  int K = (int)m->K, L = (int)m->L;
  double first = 0.0;
  for (int pass = 0; pass < PASSES; pass++) {
    double most = 0.0;
    for (int k = (int)m->first; k < K; k++) {
      double own = (double)M[(int64_t)k * L + k] * (1.0 + m->damping), target = own * w[k] - g[k];
      if (!(own > 0.0)) continue;
      double next = target > l1 ? (target - l1) / (own + l2) : target < -l1 ? (target + l1) / (own + l2) : 0.0;
      double step = next - w[k];
      if (step == 0.0) continue;
      w[k] = next;
      for (int l = 0; l < K; l++) g[l] += step * (double)M[(int64_t)k * L + l];
      g[k] += step * m->damping * (double)M[(int64_t)k * L + k];
      most = fmax(most, fabs(step) * (own + l2));
    }
    if (pass == 0) first = most;
    if (most <= CLOSE_RATIO * fmax(m->tolerance * l1, CLOSE_RATIO * first)) return;
  }
}

/* The same for l1 |w + d|: proximal gradient steps; twice its largest diagonal bounds a Laplacian. */
static void descend_group(const model_t *m, const float *M, double *g, double *w, double l1, double l2) {
  int K = (int)m->K, L = (int)m->L;
  double bound = 0.0, next[MOST_CLASSES], first = 0.0;
  for (int k = 0; k < K; k++) bound = fmax(bound, (double)M[(int64_t)k * L + k]);
  bound *= 2.0 + m->damping;
  if (!(bound > 0.0)) return;
  for (int pass = 0; pass < 2 * PASSES; pass++) {
    double length = 0.0, most = 0.0;
    for (int k = 0; k < K; k++) next[k] = w[k] - g[k] / bound, length += next[k] * next[k];
    length = sqrt(length);
    double kept = length * bound > l1 ? (1.0 - l1 / (bound * length)) * bound / (bound + l2) : 0.0;
    for (int k = 0; k < K; k++) {
      double step = kept * next[k] - w[k];
      w[k] = kept * next[k], next[k] = step, most = fmax(most, fabs(step) * bound);
    }
    for (int k = 0; k < K; k++)
      for (int l = 0; l < K; l++) g[l] += next[k] * (double)M[(int64_t)k * L + l];
    for (int k = 0; k < K; k++) g[k] += next[k] * m->damping * 0.5 * bound;
    if (pass == 0) first = most;
    if (most <= CLOSE_RATIO * fmax(m->tolerance * l1, CLOSE_RATIO * first)) return;
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Move all classes of a column alike, which the loss does not feel, to where the penalty is least: under L1 by their
 * median (Friedman et al. 2010, section 4.1), with a ridge to where l2 sum (w - t) = l1 (number below - above). */
static void centre(double *w, int K, double l1, double l2) {
  double sorted[MOST_CLASSES], sum = 0.0;
  int below = 0, above = 0;
  for (int k = 0; k < K; k++) sorted[k] = w[k], sum += w[k], below += w[k] < 0.0, above += w[k] > 0.0;
  double off = l2 * sum + l1 * (above - below); /* minus the derivative at t = 0, between the zeros' slopes */
  if (fabs(off) <= l1 * (K - below - above)) return;
  qsort(sorted, K, sizeof(double), ascending);
  double t = 0.0;
  for (int i = 0; i < K; i++) { /* the first value whose right derivative is not negative, or a root before it */
    double left = l2 * (K * sorted[i] - sum) + l1 * (2 * i - K), right = left + 2.0 * l1;
    if (left > 0.0) { t = (sum - l1 * (2 * i - K) / l2) / K; break; }
    if (right >= 0.0) { t = sorted[i]; break; }
  }
  for (int k = 0; k < K; k++) w[k] -= t;
}

/* Minimise over column j; returns how far from optimal it was. */
static inline __attribute__((always_inline)) double visit(const model_t *m, int64_t j, int L) {
  double g[MOST_CLASSES], before[MOST_CLASSES], *w = m->w + j * L;
  model_gradient(m, j, g, L);
  double off = violation_of(m, j, g);
  if (off <= CLOSE_RATIO * m->tolerance) return off;
  if (!m->is_known[j]) make_curvature(m, j, L);
  memcpy(before, w, L * sizeof(double));
  const float *M = m->curvature + j * m->K * L;
  if (m->is_grouped) descend_group(m, M, g, w, m->l1[j], m->l2[j]);
  else descend_classes(m, M, g, w, m->l1[j], m->l2[j]);
  float d[MOST_CLASSES];
  int moves = 0;
  for (int k = 0; k < L; k++) d[k] = (float)(w[k] - before[k]), moves |= d[k] != 0.0f;
  if (moves) move_column(m, j, d, L);
  if (moves && !m->is_grouped && m->first == 0) centre(w, (int)m->K, m->l1[j], m->l2[j]);
  return off;
}

static double visit_of(const model_t *m, int64_t j) {
  switch (m->L) {
    case 4: return visit(m, j, 4);
    case 8: return visit(m, j, 8);
    case 16: return visit(m, j, 16);
    case 32: return visit(m, j, 32);
    default: return visit(m, j, (int)m->L);
  }
}

/* Move the intercepts to their best, by `inverse` (K, K) of their Hessian. */
static void move_intercept(const model_t *m, const double *slope, const double *inverse, double *step) {
  int K = (int)m->K, L = (int)m->L;
  double g[MOST_CLASSES] = {0};
  float d[MOST_CLASSES] = {0};
  for (int64_t from = 0; from < m->n_rows; from += ROWS_AT_ONCE) {
    int64_t to = from + ROWS_AT_ONCE < m->n_rows ? from + ROWS_AT_ONCE : m->n_rows;
    float sum[MOST_CLASSES];
    add_rows(m->v, NULL, NULL, from, to, sum, L);
    for (int k = 0; k < K; k++) g[k] += (double)sum[k];
  }
  for (int k = 0; k < K; k++) g[k] += slope[k];
  for (int k = 0; k < K; k++) {
    double move = 0.0;
    for (int l = 0; l < K; l++) move -= inverse[k * K + l] * g[l];
    step[k] += move, d[k] = (float)move;
  }
  for (int64_t i = 0; i < m->n_rows; i++) move_row(m->v + i * L, m->proba + i * L, d, m->weights[i], L);
}

/* ---- Newton steps on the face: the coefficients that are not zero, with their signs ----------------------------------- */

typedef struct {
  double *slope, *direction, *residual, *search, *product; /* (q + 1, L): of the columns, and of the intercepts */
  double *scale;                                           /* (q + 1, L): one over the diagonal; 0 off the face */
  float *rows;                                             /* (n, L) */
  int64_t n_values, n_read;                                /* of the columns on the face; in all products */
} face_t;

static face_t *new_face(const model_t *m) {
  int64_t size = (m->n_columns + 1) * m->L;
  face_t *f = calloc(1, sizeof(face_t));
  if (!f) return NULL;
  f->slope = calloc(6 * size, sizeof(double));
  f->rows = aligned_new((m->n_rows + 1) * m->L * sizeof(float));
  if (!f->slope || !f->rows) {
    free(f->slope);
    if (f->rows) aligned_free(f->rows);
    free(f);
    return NULL;
  }
  f->direction = f->slope + size, f->residual = f->slope + 2 * size, f->search = f->slope + 3 * size;
  f->product = f->slope + 4 * size, f->scale = f->slope + 5 * size;
  return f;
}

static void free_face(face_t *f) {
  if (!f) return;
  free(f->slope);
  aligned_free(f->rows);
  free(f);
}

/* Write c (diag p - p p') u of the scores u that d adds to the rows into `rows`. */
static inline __attribute__((always_inline)) void row_products(const model_t *m, const double *d, float *rows, int L) {
  float own[MOST_CLASSES];
  for (int k = 0; k < L; k++) own[k] = (float)d[m->n_columns * L + k];
  for (int64_t i = 0; i < m->n_rows; i++) memcpy(rows + i * L, own, L * sizeof(float));
  for (int64_t j = 0; j < m->n_columns; j++) {
    int moves = 0;
    for (int k = 0; k < L; k++) own[k] = (float)d[j * L + k], moves |= own[k] != 0.0f;
    if (!moves) continue;
    for (int64_t e = m->starts[j]; e < m->starts[j + 1]; e++) {
      float *u = rows + (int64_t)m->rows[e] * L;
      const float x = m->values[e];
      IN_VECTORS(L, AT(u) += x * READ(own));
    }
  }
  for (int64_t i = 0; i < m->n_rows; i++) {
    float *u = rows + i * L, along[MOST_CLASSES];
    const float *p = m->proba + i * L, weight = m->weights[i];
    IN_VECTORS(L, AT(along) = READ(p) * READ(u));
    const float mean = total_of(along, L);
    IN_VECTORS(L, AT(u) = weight * READ(p) * (READ(u) - mean));
  }
}

/* out += X' rows over the columns of the face, and the sums of the rows for the intercepts. */
static inline __attribute__((always_inline)) void add_columns(const model_t *m, const face_t *f, const float *rows,
                                                              double *out, int L) {
  for (int64_t j = 0; j <= m->n_columns; j++) {
    int on = 0, ones = j == m->n_columns;
    for (int k = 0; k < L; k++) on |= f->scale[j * L + k] != 0.0;
    if (!on) continue;
    int64_t end = ones ? m->n_rows : m->starts[j + 1];
    for (int64_t from = ones ? 0 : m->starts[j]; from < end; from += ROWS_AT_ONCE) {
      int64_t to = from + ROWS_AT_ONCE < end ? from + ROWS_AT_ONCE : end;
      float sum[MOST_CLASSES];
      add_rows(rows, ones ? NULL : m->rows, ones ? NULL : m->values, from, to, sum, L);
      for (int k = 0; k < L; k++) out[j * L + k] += (double)sum[k];
    }
  }
}

/* product = (Hessian of the model and of the penalty on the face) d, whose rows' part stays in f->rows. */
static inline __attribute__((always_inline)) void face_product_of(const model_t *m, face_t *f, const double *d, int L) {
  f->n_read += 2 * f->n_values;
  row_products(m, d, f->rows, L);
  memset(f->product, 0, (m->n_columns + 1) * L * sizeof(double));
  add_columns(m, f, f->rows, f->product, L);
  for (int64_t j = 0; j < m->n_columns; j++) {
    double *out = f->product + j * L;
    const double *own = d + j * L, *w = m->w + j * L;
    const float *M = m->curvature + j * m->K * L;
    double norm = 0.0, along = 0.0;
    if (m->is_grouped)
      for (int k = 0; k < m->K; k++) norm += w[k] * w[k], along += w[k] * own[k];
    for (int k = 0; k < m->K; k++) {
      if (f->scale[j * L + k] == 0.0) { out[k] = 0.0; continue; }
      out[k] += (m->l2[j] + m->damping * (double)M[(int64_t)k * L + k]) * own[k];
      if (m->is_grouped) out[k] += m->l1[j] / sqrt(norm) * (own[k] - w[k] * along / norm);
    }
  }
}

static void face_product(const model_t *m, face_t *f, const double *d) {
  switch (m->L) {
    case 4: face_product_of(m, f, d, 4); return;
    case 8: face_product_of(m, f, d, 8); return;
    case 16: face_product_of(m, f, d, 16); return;
    case 32: face_product_of(m, f, d, 32); return;
    default: face_product_of(m, f, d, (int)m->L);
  }
}

/* The face at w: slope of model and penalty there, and a diagonal for conjugate gradients. */
static void find_face(const model_t *m, face_t *f, const double *intercept_slope, const double *inverse) {
  int64_t L = m->L, ones = m->n_columns * L;
  memset(f->scale, 0, (ones + L) * sizeof(double));
  f->n_values = 0;
  for (int64_t j = 0; j < m->n_columns; j++) {
    double *w = m->w + j * L, norm = 0.0;
    for (int k = 0; k < m->K; k++) norm += w[k] * w[k];
    if (norm == 0.0) continue;
    if (!m->is_known[j]) make_curvature(m, j, (int)L);
    f->n_values += m->starts[j + 1] - m->starts[j];
    norm = sqrt(norm);
    const float *M = m->curvature + j * m->K * L;
    for (int k = 0; k < m->K; k++) {
      if (!m->is_grouped && w[k] == 0.0) continue;
      double own = (double)M[(int64_t)k * L + k] * (1.0 + m->damping) + m->l2[j];
      if (m->is_grouped) own += m->l1[j] / norm;
      if (own > 0.0) f->scale[j * L + k] = 1.0 / own;
    }
  }
  for (int k = 0; k < m->K && inverse; k++) f->scale[ones + k] = inverse[k * m->K + k];
  for (int64_t j = 0; j < m->n_columns; j++) memcpy(f->slope + j * L, m->slope + j * L, L * sizeof(double));
  memset(f->slope + ones, 0, L * sizeof(double));
  for (int k = 0; k < m->K && inverse; k++) f->slope[ones + k] = intercept_slope[k];
  add_columns(m, f, m->v, f->slope, (int)L);
  for (int64_t j = 0; j < m->n_columns; j++) {
    const double *w = m->w + j * L;
    double norm = 0.0;
    for (int k = 0; k < m->K; k++) norm += w[k] * w[k];
    for (int k = 0; k < L; k++) {
      if (f->scale[j * L + k] == 0.0) { f->slope[j * L + k] = 0.0; continue; }
      f->slope[j * L + k] += m->l2[j] * w[k] + (m->is_grouped ? m->l1[j] * w[k] / sqrt(norm) : copysign(m->l1[j], w[k]));
    }
  }
}

/* Conjugate gradients for the face's Newton direction (Nocedal and Wright 2006, section 5.1). */
static int64_t solve_face(const model_t *m, face_t *f, int64_t most_steps, double end) {
  int64_t size = (m->n_columns + 1) * m->L;
  double rho = 0.0, first = 0.0;
  memset(f->direction, 0, size * sizeof(double));
  for (int64_t a = 0; a < size; a++) {
    f->residual[a] = f->scale[a] == 0.0 ? 0.0 : -f->slope[a];
    f->search[a] = f->scale[a] * f->residual[a];
    rho += f->residual[a] * f->search[a];
  }
  first = rho;
  for (int64_t step = 0; step < most_steps && rho > FACE_ACCURACY * FACE_ACCURACY * first; step++) {
    if (is_over(end)) return OUT_OF_TIME;
    face_product(m, f, f->search);
    double curvature = 0.0, next = 0.0;
    for (int64_t a = 0; a < size; a++) curvature += f->search[a] * f->product[a];
    if (!(curvature > 0.0)) break;
    double length = rho / curvature;
    for (int64_t a = 0; a < size; a++) {
      f->direction[a] += length * f->search[a];
      f->residual[a] -= length * f->product[a];
      next += f->scale[a] * f->residual[a] * f->residual[a];
    }
    for (int64_t a = 0; a < size; a++) f->search[a] = f->scale[a] * f->residual[a] + next / rho * f->search[a];
    rho = next;
  }
  return DONE;
}

static double norm_of(const double *w, const double *d, int64_t K) {
  double sum = 0.0;
  for (int64_t k = 0; k < K; k++) sum += (w[k] + d[k]) * (w[k] + d[k]);
  return sqrt(sum);
}

/* Take that direction, cut off where a coefficient would change its sign and shortened until the model falls. */
static int64_t step_on_face(const model_t *m, face_t *f, const double *intercept_slope, const double *inverse,
                            double *intercept_step, double end) {
  int64_t L = m->L, size = (m->n_columns + 1) * L, ones = m->n_columns * L;
  find_face(m, f, intercept_slope, inverse);
  if (solve_face(m, f, MAX_FACE_STEPS, end)) return OUT_OF_TIME;
  double length = 1.0, *d = f->search;
  for (int shrink = 0; shrink < MAX_SHRINKS; shrink++, length *= SHRINK_RATIO) {
    for (int64_t a = 0; a < size; a++) {
      d[a] = length * f->direction[a];
      if (a < ones && !m->is_grouped && (m->w[a] + d[a]) * m->w[a] < 0.0) d[a] = -m->w[a];
    }
    face_product(m, f, d);
    double change = 0.0;
    for (int64_t a = 0; a < size; a++) change += d[a] * (f->slope[a] + 0.5 * f->product[a]);
    for (int64_t j = 0; j < m->n_columns && m->is_grouped; j++) { /* the norm itself for its expansion */
      const double *w = m->w + j * L, *own = d + j * L;
      double norm = 0.0, along = 0.0, square = 0.0;
      for (int k = 0; k < m->K; k++) norm += w[k] * w[k], along += w[k] * own[k], square += own[k] * own[k];
      if (norm == 0.0) continue;
      norm = sqrt(norm);
      double expansion = along / norm + 0.5 * (square - along * along / norm / norm) / norm;
      change += m->l1[j] * (norm_of(w, own, m->K) - norm - expansion);
    }
    if (!(change < 0.0)) continue;
    for (int64_t a = 0; a < ones; a++) m->w[a] = m->w[a] + d[a];
    for (int64_t k = 0; k < m->K && inverse; k++) intercept_step[k] += d[ones + k];
    for (int64_t a = 0; a < m->n_rows * L; a++) m->v[a] += f->rows[a];
    return DONE;
  }
  return DONE;
}

/* Sweep over the columns until none was farther from its optimum than `tolerance` thresholds when it was visited: first
 * all, then those in use, until these are done, then all again; or until that took `most_read` values. `n_read` is how
 * many it took. Intercepts move where `inverse` is given. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(column_descent)(int64_t n_rows, int64_t n_columns, int64_t K, int64_t L, int64_t first, int64_t is_grouped,
                               const int64_t *starts, const int32_t *rows, const float *values, const float *proba,
                               const float *weights, float *v, const double *slope, double *w, const double *l1,
                               const double *l2, float *curvature, uint8_t *is_known, double damping,
                               const double *intercept_slope, const double *inverse, double *intercept_step,
                               double tolerance, int64_t max_sweeps, double most_read, int64_t *n_read,
                               double seconds) {
  model_t own = {n_rows, n_columns, K, L, first, is_grouped, starts, rows, values, proba, weights, v, slope, w, l1, l2,
                 curvature, is_known, damping, tolerance}, *m = &own;
  const double end = end_after(seconds);
  int all = 1;
  uint8_t *in_use = calloc(n_columns + 1, 1);
  if (!in_use) return NO_MEMORY;
  face_t *face = NULL;
  int64_t result = DONE;
  const control_t before = subnormals_are_0();
  for (int64_t sweep = 0, next_face = FIRST_SWEEPS; sweep < max_sweeps && !result; sweep++) {
    double largest = 0.0;
    if (inverse) move_intercept(m, intercept_slope, inverse, intercept_step);
    for (int64_t j = 0; j < n_columns && !result; j++) {
      if (!all && !in_use[j]) continue;
      if (is_over(end)) result = OUT_OF_TIME;
      largest = fmax(largest, visit_of(m, j));
      *n_read += starts[j + 1] - starts[j];
      in_use[j] = 0;
      for (int k = 0; k < K; k++) in_use[j] |= w[j * L + k] != 0.0;
    }
    if (largest <= tolerance && all) break;
    all = largest <= tolerance;
    if (*n_read + (face ? face->n_read : 0) > most_read) break;
    if (all || sweep < next_face || result) continue;
    if (!face) face = new_face(m);
    result = face ? step_on_face(m, face, intercept_slope, inverse, intercept_step, end) : NO_MEMORY;
    next_face = sweep + LATER_SWEEPS;
    all = 1;
  }
  set_control(before);
  if (face) *n_read += face->n_read;
  free_face(face);
  free(in_use);
  return result;
}
