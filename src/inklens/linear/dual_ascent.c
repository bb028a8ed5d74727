/* Stochastic dual coordinate ascent for the softmax loss with an L2 penalty, see dual_ascent.py.
 *
 * Coefficients W and dual probabilities q hold their classes in lanes, in whole vectors, as do the intercepts. Rows come
 * divided by the root of the penalty, so that W = sum_i c_i (y_i - q_i) x_i'.
 */
#include <math.h>
#include <string.h>

#include "kernels.h"

#define REAL float
#define INTEGER int32_t
#define TYPE f32
#define T(name) JOIN(name, TYPE)
#include "vectors.h"

typedef JOIN(T(v), VECTOR_BYTES) vector;
typedef JOIN(T(i), VECTOR_BYTES) integers;
enum { WIDTH = VECTOR_BYTES / 4, MOST = 64 }; /* lanes of a vector, vectors of a row */
enum { MAX_STEPS = 12 };
static const float CLOSE = 1e-3f; /* a step this small is the last: Newton's error is then about its square */
static const float BOLD = 4;      /* no score moves farther in one step */

typedef struct {
  const float *values;
  const int32_t *columns;
  const int64_t *indptr;
  const double *weights, *squares; /* c_i, and |x_i|^2 with what the intercept adds */
  int64_t n_classes, lanes;
  float *W, *q, *intercept, *bias; /* scores are W x + intercept + bias, bias = leverage * sum_i c_i (y_i - q_i) */
  float leverage;
} ascent_t;

/* s = softmax(t), 0 in spare lanes; returns logsumexp(t) */
static inline __attribute__((always_inline)) float softmax(const vector *t, vector *s, const vector *spare, int nv) {
  vector top = t[0] + spare[0], sum = {0};
  for (int v = 1; v < nv; v++) top = JOIN(T(larger), VECTOR_BYTES)(top, t[v] + spare[v]);
  float largest = JOIN(T(largest), VECTOR_BYTES)(top);
  for (int v = 0; v < nv; v++) {
    s[v] = JOIN(T(exp), VECTOR_BYTES)(t[v] - largest + spare[v]);
    s[v] = (vector)((integers)s[v] & (spare[v] == 0));
    sum += s[v];
  }
  float total = JOIN(T(sum), VECTOR_BYTES)(sum), share = 1 / total;
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
    float value = 0.5f * JOIN(T(sum), VECTOR_BYTES)(far) + h * top;
    if (value > lowest) longest *= 0.5f;
    lowest = value < lowest ? value : lowest;
    float rest = 1 - h * JOIN(T(sum), VECTOR_BYTES)(with_e); /* sum of s / (1 + h s), without spare lanes */
    float tilt = h * JOIN(T(sum), VECTOR_BYTES)(with_d) / (rest > 1e-6f ? rest : 1e-6f);
    for (int v = 0; v < nv; v++) {
      d[v] += tilt * e[v];
      most = JOIN(T(larger), VECTOR_BYTES)(most, JOIN(T(larger), VECTOR_BYTES)(d[v], -d[v]));
    }
    float size = JOIN(T(largest), VECTOR_BYTES)(most), share = size > longest ? longest / size : 1;
    for (int v = 0; v < nv; v++) t[v] -= share * d[v];
    if (size <= CLOSE) step = MAX_STEPS - 1;
  }
}

/* Maximise over the dual probabilities of row i. */
static inline __attribute__((always_inline)) void visit(const ascent_t *f, int64_t i, const vector *spare, int nv) {
  const float *x = f->values + f->indptr[i], c = (float)f->weights[i], h = c * (float)f->squares[i];
  const int32_t *columns = f->columns + f->indptr[i];
  const int64_t m = f->indptr[i + 1] - f->indptr[i], lanes = nv * WIDTH;
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

/* Visit n rows in the given order. */
int64_t EXPORT(dual_epoch)(const float *values, const int32_t *columns, const int64_t *indptr, const int64_t *order,
                           int64_t n, const double *weights, const double *squares, int64_t n_classes, float *W,
                           float *q, float *intercept, float *bias, const float *leverage) {
  const int nv = (int)((n_classes + WIDTH - 1) / WIDTH);
  const ascent_t f = {values, columns, indptr, weights, squares, n_classes, nv * WIDTH, W, q, intercept, bias, *leverage};
  vector spare[MOST];
  if (nv > MOST) return 1;
  for (int k = 0; k < nv * WIDTH; k++) spare[k / WIDTH][k % WIDTH] = k < n_classes ? 0 : -INFINITY;
  for (int64_t s = 0; s < n; s++) {
    int64_t i = order[s];
    if (nv == 1) visit(&f, i, spare, 1); /* constant counts keep a row's vectors in registers */
    else if (nv == 2) visit(&f, i, spare, 2);
    else if (nv == 4) visit(&f, i, spare, 4);
    else visit(&f, i, spare, nv);
  }
  return 0;
}
/* Lanes that a row of W and q has for so many classes. */
int64_t EXPORT(dual_lanes)(int64_t n_classes) { return (n_classes + WIDTH - 1) / WIDTH * WIDTH; }
