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

/* flow (K, K) = sum_i c_i y_i p_i': what rows of each class give to each class. `some` (K, K) is room. */
int64_t EXPORT(T(flows))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                         const double *weights, double *some, double *flow) {
  int64_t step = K > SUMMED_AT_ONCE ? K : SUMMED_AT_ONCE, size = K * K;
  memset(flow, 0, size * sizeof(double));
  for (int64_t from = 0; from < n; from += step) {
    int64_t to = from + step < n ? from + step : n;
    memset(some, 0, size * sizeof(double));
    for (int64_t i = from; i < to; i++) {
      const REAL *row = proba + i * stride;
      double c = weights[i], *own = some + codes[i] * K;
      for (int k = 0; k < K; k++) own[k] += c * (double)row[k];
    }
    for (int64_t k = 0; k < size; k++) flow[k] += some[k];
  }
  return DONE;
}

/* out (n, K) = c (y - p). */
int64_t EXPORT(T(residual))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                            const double *weights, REAL *out) {
  const control_t before = subnormals_are_0();
  for (int64_t i = 0; i < n; i++, proba += stride, out += K) {
    REAL c = (REAL)weights[i], others = 0;
    int own = codes[i];
    for (int k = 0; k < K; k++) out[k] = -proba[k] * c;
    out[own] = 0;
    for (int k = 0; k < K; k++) others += out[k];
    out[own] = -others;
  }
  set_control(before);
  return DONE;
}

/* sums[s] = sum_i c_i H((1 - scale_s) y_i + scale_s p_i), H(p) = -sum_k p_k log p_k; *largest, of what a row gives to
 * other classes. */
int64_t EXPORT(T(entropies))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                             const double *weights, int64_t n_scales, const double *scales, double *sums,
                             double *largest) {
  *largest = 0.0;
  for (int64_t s = 0; s < n_scales; s++) sums[s] = 0.0;
  for (int64_t i = 0; i < n; i++, proba += stride) {
    double all = 0.0;
    for (int k = 0; k < K; k++) all += k == codes[i] ? 0.0 : (double)proba[k];
    *largest = all > *largest ? all : *largest;
    for (int64_t s = 0; s < n_scales; s++) {
      double own = 0.0, given = 0.0;
      for (int k = 0; k < K; k++) {
        double q = k == codes[i] ? 0.0 : scales[s] * (double)proba[k];
        if (q < 0.0) own = -INFINITY;
        else if (q != 0.0) own -= q * log(q), given += q; /* what is no number stays so */
      }
      if (given < 1.0) own -= (1.0 - given) * log1p(-given);
      sums[s] += weights[i] * own;
    }
  }
  return DONE;
}

/* out (n, K) = p + (diag p - p p') v, where v = along (n, stride), clipped to the simplex; a row of which nothing is left
 * stays as it was. */
int64_t EXPORT(T(moved))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const REAL *along, int64_t along_stride,
                         REAL *out) {
  const control_t before = subnormals_are_0();
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
  set_control(before);
  return DONE;
}

#undef T
#endif
