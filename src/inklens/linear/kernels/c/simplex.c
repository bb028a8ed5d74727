/* Rows of probabilities, each with its own class: what proofs ask of dual points (`proofs/dual.py`), a row at a time.
 *
 * A row is meant as its probabilities of the other classes tell it; its own is 1 less these. Sums are in double.
 */
#ifndef REAL

#include <math.h>
#include <string.h>

#include "kernels.h"

enum { SUMMED_AT_ONCE = 128 }; /* rows of a block whose sums are added to those of the others: as `backend.py` says */

#define REAL float
#define TYPE f32
#include "simplex.c"
#undef REAL
#undef TYPE

#define REAL double
#define TYPE f64
#include "simplex.c"
#undef REAL
#undef TYPE

#else /* REAL: everything below exists for float and for double */

#define T(name) JOIN(name, TYPE)

/* Loops over few classes are unrolled. */
#define FOR_EACH_SIZE(call) \
  switch (K) { \
  case 2: call(2); break; \
  case 3: call(3); break; \
  case 4: call(4); break; \
  default: call(K); }

static inline __attribute__((always_inline)) void T(flow)(
    int64_t n, const int K, const REAL *proba, int64_t stride, const int32_t *codes, const double *weights,
    const double *mix, REAL *out, double *gained, double *given, double *largest) {
  double p[K], q[K];
  for (int64_t i = 0; i < n; i++) {
    const REAL *row = proba + i * stride;
    double all = 0.0;
    int own = codes[i];
    for (int k = 0; k < K; k++) p[k] = (double)row[k];
    if (mix) {
      for (int k = 0; k < K; k++) q[k] = 0.0;
      for (int l = 0; l < K; l++)
        for (int k = 0; k < K; k++) q[k] += p[l] * mix[l * K + k];
      for (int k = 0; k < K; k++) p[k] = (double)(REAL)q[k];
    }
    if (out) for (int k = 0; k < K; k++) out[i * K + k] = (REAL)p[k];
    p[own] = 0.0;
    for (int k = 0; k < K; k++) all += p[k], gained[k] += weights[i] * p[k];
    given[own] += weights[i] * all;
    *largest = all > *largest ? all : *largest;
  }
}

/* `out` (n, K), if given, becomes proba (n, stride) times the matrix `mix` (K, K), if given; `sums` (2 K + 1) get the
 * weighted probability that each class has from rows of others, that its own rows give away, and the most of one row. */
int64_t EXPORT(T(flows))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                         const double *weights, const double *mix, REAL *out, double *sums) {
  double some[2 * K];
  memset(sums, 0, (2 * K + 1) * sizeof(double));
  for (int64_t from = 0; from < n; from += SUMMED_AT_ONCE) {
    int64_t count = n - from < SUMMED_AT_ONCE ? n - from : SUMMED_AT_ONCE;
    memset(some, 0, sizeof some);
#define FLOW(size) \
  T(flow)(count, (int)size, proba + from * stride, stride, codes + from, weights + from, mix, \
          out ? out + from * K : NULL, some, some + K, sums + 2 * K)
    FOR_EACH_SIZE(FLOW)
#undef FLOW
    for (int k = 0; k < 2 * K; k++) sums[k] += some[k];
  }
  return DONE;
}

/* out (n, K) = c (y - p). */
int64_t EXPORT(T(residual))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                            const double *weights, REAL *out) {
  for (int64_t i = 0; i < n; i++, proba += stride, out += K) {
    REAL c = (REAL)weights[i], others = 0;
    int own = codes[i];
    for (int k = 0; k < K; k++) out[k] = -proba[k] * c;
    out[own] = 0;
    for (int k = 0; k < K; k++) others += out[k];
    out[own] = -others;
  }
  return DONE;
}

/* *sum = sum_i c_i H((1 - scale) y_i + scale p_i), H(p) = -sum_k p_k log p_k. */
int64_t EXPORT(T(entropy))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                           const double *weights, double scale, double *sum) {
  double total = 0.0;
  for (int64_t i = 0; i < n; i++, proba += stride) {
    double own = 0.0, given = 0.0;
    for (int k = 0; k < K; k++) {
      double q = k == codes[i] ? 0.0 : scale * (double)proba[k];
      if (q < 0.0) own = -INFINITY;
      else if (q != 0.0) own -= q * log(q), given += q; /* what is no number stays so */
    }
    if (given < 1.0) own -= (1.0 - given) * log1p(-given);
    total += weights[i] * own;
  }
  *sum = total;
  return DONE;
}

/* out (n, K) = p + (diag p - p p') v, where v = along (n, stride), clipped to the simplex; a row of which nothing is left
 * stays as it was. */
int64_t EXPORT(T(moved))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const REAL *along, int64_t along_stride,
                         REAL *out) {
  for (int64_t i = 0; i < n; i++, proba += stride, along += along_stride, out += K) {
    REAL mean = 0, total = 0;
    for (int k = 0; k < K; k++) mean += proba[k] * along[k];
    for (int k = 0; k < K; k++) {
      REAL share = (REAL)1 + along[k] - mean;
      out[k] = share <= 0 ? 0 : proba[k] * share;
      total += out[k];
    }
    if (total > 0) for (int k = 0; k < K; k++) out[k] /= total;
    else memcpy(out, proba, K * sizeof(REAL));
  }
  return DONE;
}

#undef FOR_EACH_SIZE
#undef T
#endif
