/* Stochastic dual coordinate ascent for the softmax loss with an L2 penalty, see dual_ascent.py.
 *
 * Coefficients W and dual probabilities q hold their classes in lanes, in whole vectors, as do the intercepts. Values
 * are taken in units of their column, one over the root of its penalty, so that W = sum_i c_i (y_i - q_i) x_i'.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define REAL float
#define INTEGER int32_t
#define TYPE f32
#define T(name) JOIN(name, TYPE)
#include "vectors.h"

typedef T(widest) vector;
typedef int32_t integers __attribute__((vector_size(VECTOR_BYTES)));
#define V(name) T(JOIN(name, VECTOR_BYTES))
enum { WIDTH = VECTOR_BYTES / 4, MOST = 64 }; /* lanes of a vector, vectors of a row */
enum { MAX_STEPS = 12 };
static const float CLOSE = 1e-3f; /* a step this small is the last: Newton's error is then about its square */
static const float BOLD = 4;      /* no score moves farther in one step */

typedef struct {
  const rows_t *rows;
  const float *unit;               /* (p): of each column; 0 where the coefficients may not move */
  const double *weights, *squares; /* c_i, and |x_i|^2 with what the intercept adds */
  float *W, *q, *intercept, *bias; /* scores are W x + intercept + bias, bias = leverage * sum_i c_i (y_i - q_i) */
  float leverage;
  float *values;                   /* room for one row */
  int32_t *columns;
} ascent_t;

#define UNPACK(type) do { \
    const type *source = (const type *)rows->values + begin; \
    if (rows->layout == DENSE_SKIP) \
      for (int64_t j = 0; j < rows->n_features; j++) { \
        f->values[m] = (float)source[j] * f->unit[j], f->columns[m] = (int32_t)j; \
        m += source[j] != 0; \
      } \
    else for (int64_t e = 0; e < m; e++) f->values[e] = (float)source[e] * f->unit[f->columns[e]]; \
  } while (0)

/* Unpack row i; returns the number of its entries. The columns of dense rows stand there already. */
static inline int64_t unpack(const ascent_t *f, int64_t i) {
  const rows_t *rows = f->rows;
  int64_t begin = i * rows->row_stride, m = rows->layout == DENSE ? rows->n_features : 0;
  if (rows->layout >= CSR16) begin = rows->indptr[i], m = rows->indptr[i + 1] - begin;
  if (rows->layout == CSR16)
    for (int64_t e = 0; e < m; e++) f->columns[e] = ((const uint16_t *)rows->indices)[begin + e];
  else if (rows->layout == CSR32) memcpy(f->columns, (const int32_t *)rows->indices + begin, m * sizeof(int32_t));
  if (rows->value_type == U8) UNPACK(uint8_t);
  else if (rows->value_type == F32) UNPACK(float);
  else UNPACK(double);
  return m;
}

/* Room for one row; 0, or 1 without memory. */
static int make_room(ascent_t *f) {
  int64_t p = f->rows->n_features;
  if (!(f->values = malloc((p + 1) * (sizeof(float) + sizeof(int32_t))))) return 1;
  f->columns = (int32_t *)(f->values + p + 1);
  for (int64_t j = 0; j <= p; j++) f->columns[j] = (int32_t)j;
  return 0;
}

/* s = softmax(t), 0 in spare lanes; returns logsumexp(t) */
static inline __attribute__((always_inline)) float softmax(const vector *t, vector *s, const vector *spare, int nv) {
  vector top = t[0] + spare[0], sum = {0};
  for (int v = 1; v < nv; v++) top = V(larger)(top, t[v] + spare[v]);
  float largest = V(largest)(top);
  for (int v = 0; v < nv; v++) {
    s[v] = V(exp)(t[v] - largest + spare[v]);
    s[v] = (vector)((integers)s[v] & (spare[v] == 0));
    sum += s[v];
  }
  float total = V(sum)(sum), share = 1 / total;
  for (int v = 0; v < nv; v++) s[v] *= share;
  return largest + logf(total);
}

/* s = softmax(t) at the t that minimises |t - a|^2 / 2 + h logsumexp(t): Newton from t, its Hessian a diagonal less a
 * square. Steps are cut to BOLD, and to half of that with each that did not help. */
static inline __attribute__((always_inline)) void nearest(const vector *a, float h, vector *t, vector *s,
                                                          const vector *spare, int nv) {
  float longest = BOLD, lowest = INFINITY;
  vector d[MOST], e[MOST];
  for (int step = 0;; step++) {
    float top = softmax(t, s, spare, nv);
    if (step == MAX_STEPS) return;
    vector far = {0}, with_d = {0}, with_e = {0}, most = {0};
    for (int v = 0; v < nv; v++) {
      vector off = t[v] - a[v], gain = 1 / (1 + h * s[v]);
      far += off * off;
      d[v] = (off + h * s[v]) * gain, e[v] = s[v] * gain;
      with_d += s[v] * d[v], with_e += s[v] * e[v];
    }
    float value = 0.5f * V(sum)(far) + h * top;
    if (value > lowest) longest *= 0.5f;
    lowest = value < lowest ? value : lowest;
    float rest = 1 - h * V(sum)(with_e); /* sum of s / (1 + h s), without spare lanes */
    float tilt = h * V(sum)(with_d) / (rest > 1e-6f ? rest : 1e-6f);
    for (int v = 0; v < nv; v++) {
      d[v] += tilt * e[v];
      most = V(larger)(most, V(larger)(d[v], -d[v]));
    }
    float size = V(largest)(most), share = size > longest ? longest / size : 1;
    for (int v = 0; v < nv; v++) t[v] -= share * d[v];
    if (size <= CLOSE) step = MAX_STEPS - 1;
  }
}

/* Maximise over the dual probabilities of row i. */
static inline __attribute__((always_inline)) void visit(const ascent_t *f, int64_t i, const vector *spare, int nv) {
  const float *x = f->values, c = (float)f->weights[i], h = c * (float)f->squares[i];
  const int32_t *columns = f->columns;
  const int64_t m = unpack(f, i), lanes = nv * WIDTH;
  vector *q = (vector *)(f->q + i * lanes), *bias = (vector *)f->bias;
  vector even[MOST], odd[MOST], a[MOST], s[MOST];
  for (int v = 0; v < nv; v++) even[v] = ((const vector *)f->intercept)[v] + bias[v], odd[v] = even[v] - even[v];
  int64_t e = 0;
  for (; e + 2 <= m; e += 2) {
    const vector *one = (const vector *)(f->W + columns[e] * lanes), *two = (const vector *)(f->W + columns[e + 1] * lanes);
    for (int v = 0; v < nv; v++) even[v] += x[e] * one[v], odd[v] += x[e + 1] * two[v];
  }
  if (e < m) for (int v = 0; v < nv; v++) odd[v] += x[e] * ((const vector *)(f->W + columns[e] * lanes))[v];
  for (int v = 0; v < nv; v++) even[v] += odd[v], a[v] = even[v] + h * q[v];
  nearest(a, h, even, s, spare, nv);
  for (int v = 0; v < nv; v++) {
    vector change = c * (q[v] - s[v]);
    q[v] = s[v], s[v] = change, bias[v] += f->leverage * change;
  }
  for (e = 0; e < m; e++) {
    vector *w = (vector *)(f->W + columns[e] * lanes);
    for (int v = 0; v < nv; v++) w[v] += x[e] * s[v];
  }
}

/* Visit rows in the given order. Returns DONE, NO_MEMORY, OUT_OF_TIME, or 2 with too many classes. */
int64_t EXPORT(dual_epoch)(const rows_t *rows, const int64_t *order, const float *unit, const double *weights,
                           const double *squares, int64_t n_classes, float *W, float *q, float *intercept, float *bias,
                           const float *leverage, double seconds) {
  const int nv = (int)((n_classes + WIDTH - 1) / WIDTH);
  const double end = end_after(seconds);
  int64_t result = DONE;
  ascent_t f = {rows, unit, weights, squares, W, q, intercept, bias, *leverage, NULL, NULL};
  vector spare[MOST];
  if (nv > MOST) return 2;
  if (make_room(&f)) return NO_MEMORY;
  for (int k = 0; k < nv * WIDTH; k++) spare[k / WIDTH][k % WIDTH] = k < n_classes ? 0 : -INFINITY;
  const control_t before = subnormals_are_0();
  for (int64_t s = 0; s < rows->n_rows; s++) {
    if (s % 64 == 0 && is_over(end)) { result = OUT_OF_TIME; break; }
    if (nv == 1) visit(&f, order[s], spare, 1); /* constant counts keep a row's vectors in registers */
    else if (nv == 2) visit(&f, order[s], spare, 2);
    else if (nv == 4) visit(&f, order[s], spare, 4);
    else visit(&f, order[s], spare, nv);
  }
  set_control(before);
  free(f.values);
  return result;
}
/* squares[i] = |x_i|^2 in units of the columns; 0, or 1 without memory. */
int64_t EXPORT(dual_squares)(const rows_t *rows, const float *unit, double *squares) {
  ascent_t f = {.rows = rows, .unit = unit};
  if (make_room(&f)) return 1;
  for (int64_t i = 0; i < rows->n_rows; i++) {
    int64_t m = unpack(&f, i);
    double sum = 0;
    for (int64_t e = 0; e < m; e++) sum += (double)f.values[e] * f.values[e];
    squares[i] = sum;
  }
  free(f.values);
  return 0;
}
/* Lanes that a row of W and q has for so many classes. */
int64_t EXPORT(dual_lanes)(int64_t n_classes) { return (n_classes + WIDTH - 1) / WIDTH * WIDTH; }
