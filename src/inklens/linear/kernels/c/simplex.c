/* Rows of probabilities, each with its own class: what proofs ask of dual points (`proofs/dual.py`), a row at a time.
 *
 * A row is meant as its probabilities of the other classes tell it; its own is 1 less these. Sums are in double.
 */
#ifndef REAL

#include <math.h>
#include <string.h>

#include "kernels.h"

enum { SUMMED_AT_ONCE = 128 }; /* rows of a block whose sums are added to those of the others: as `backend.py` says */
enum { MOVES = 2 }; /* of a mixing, at most: as `mixing.py` says */
enum { NUMBERS = 512, WIDTH = VECTOR_BYTES / 8, TERMS = 11, MANY = 12 }; /* whose logarithms are taken together; of a series; of a sum */

typedef double numbers_t __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t bits_t __attribute__((vector_size(VECTOR_BYTES)));

/* log x of normal numbers x > 0, to two units in the last place: of x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt 2,
 * e log 2 + 2 artanh(f / (2 + f)), by the series of artanh, whose first term left out is below 1e-17 of it. Where e is 0,
 * f is `close`, which may be x - 1 more exactly than x tells. Of a subnormal number it is about -709. */
static inline numbers_t log_of(numbers_t x, numbers_t close) {
  const int64_t root = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000, fraction = 0x000fffffffffffff;
  const int64_t magic = 0x4330000000000000; /* 2^52, whose last bits count */
  const double log_2 = 0x1.62e42feep-1, rest_of_log_2 = 0x1.a39ef35793c76p-33; /* the first has zeros to multiply into */
  bits_t bits = (bits_t)x + (one - root);
  bits_t exponent = (bits_t)((bits >> 52) & 0x7ff);
  numbers_t e = (numbers_t)(exponent | magic) - (0x1p52 + 1023.0);
  bits_t is_near = exponent == 1023;
  numbers_t f = (numbers_t)((bits & fraction) + root) - 1.0;
  f = (numbers_t)((is_near & (bits_t)close) | (~is_near & (bits_t)f));
  numbers_t s = f / (2.0 + f), z = s * s, sum = z * 0.0;
  for (int term = TERMS; term > 0; term--) sum = z * (sum + 2.0 / (2 * term + 1));
  return e * log_2 + (f - s * (f - sum) + e * rest_of_log_2);
}

/* x log x, 0 at 0, of NUMBERS or fewer; whole vectors are written. */
static void times_log(double *x, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH) {
    numbers_t own = *(numbers_t *)(x + i);
    bits_t is_zero = own == 0.0;
    numbers_t at = (numbers_t)((bits_t)own | (is_zero & (bits_t)(own * 0.0 + 1.0)));
    *(numbers_t *)(x + i) = own * log_of(at, at - 1.0);
  }
}

/* Sum of some numbers; many by four sums that need not wait for each other. */
static inline double sum_of(const double *x, int64_t n) {
  double sum[4] = {0.0};
  int64_t k = 0;
  for (; n > MANY && k + 4 <= n; k += 4)
    for (int part = 0; part < 4; part++) sum[part] += x[k + part];
  for (; k < n; k++) sum[0] += x[k];
  return n > MANY ? (sum[0] + sum[1]) + (sum[2] + sum[3]) : sum[0];
}

/* (1 - g) log(1 - g) of NUMBERS or fewer, 0 from 1 on. */
static void rest_times_log(double *g, int64_t n) {
  for (int64_t i = 0; i < n; i += WIDTH) {
    numbers_t given = *(numbers_t *)(g + i), rest = 1.0 - given;
    bits_t is_none = given >= 1.0;
    numbers_t at = (numbers_t)((~is_none & (bits_t)rest) | (is_none & (bits_t)(given * 0.0 + 1.0)));
    numbers_t found = rest * log_of(at, -given);
    *(numbers_t *)(g + i) = (numbers_t)(~is_none & (bits_t)found);
  }
}

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

/* moves[m] = sum_k p_k taken[m, k] */
static inline void T(taken)(const REAL *p, int64_t K, int64_t n_moves, const double *taken, double *moves) {
  for (int64_t m = 0; m < n_moves; m++) {
    moves[m] = 0.0;
    for (int64_t k = 0; k < K; k++) moves[m] += (double)p[k] * taken[m * K + k];
  }
}

/* q_k = kept_k p_k + sum_m moves[m] given[m, k] of some classes, of which there are K */
static inline void T(given)(const REAL *p, int64_t count, int64_t K, int64_t n_moves, const double *kept,
                            const double *given, const double *moves, double *q) {
  for (int64_t k = 0; k < count; k++) q[k] = kept[k] * (double)p[k];
  for (int64_t m = 0; m < n_moves; m++)
    for (int64_t k = 0; k < count; k++) q[k] += moves[m] * given[m * K + k];
}

/* out (n, K) = p M: see `mixing.py`. */
int64_t EXPORT(T(mixed))(int64_t n, int64_t K, const REAL *proba, int64_t stride, int64_t n_moves, const double *kept,
                         const double *taken, const double *given, REAL *out) {
  double moves[MOVES], q[NUMBERS];
  if (n_moves > MOVES) return INDEFINITE;
  for (int64_t i = 0; i < n; i++, proba += stride, out += K) {
    T(taken)(proba, K, n_moves, taken, moves);
    for (int64_t first = 0; first < K; first += NUMBERS) {
      const int64_t wide = K - first < NUMBERS ? K - first : NUMBERS;
      T(given)(proba + first, wide, K, n_moves, kept + first, given + first, moves, q);
      for (int64_t k = 0; k < wide; k++) out[first + k] = (REAL)q[k];
    }
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

/* sums[s] = sum_i c_i H((1 - scale_s) y_i + scale_s q_i), H(p) = -sum_k p_k log p_k; *largest, of what a row gives to
 * other classes. q = p M, or without moves p. */
int64_t EXPORT(T(entropies))(int64_t n, int64_t K, const REAL *proba, int64_t stride, const int32_t *codes,
                             const double *weights, int64_t n_moves, const double *kept, const double *taken,
                             const double *shared, int64_t n_scales, const double *scales, double *sums, double *largest) {
  double terms[NUMBERS] __attribute__((aligned(VECTOR_BYTES))), rest[NUMBERS] __attribute__((aligned(VECTOR_BYTES)));
  double given[NUMBERS], entropy[NUMBERS], moves[NUMBERS][MOVES];
  const int64_t at_once = K < NUMBERS ? NUMBERS / (K > 1 ? K : 1) : 1;
  int is_outside = 0; /* of the simplex: a number below 0 */
  if (n_moves > MOVES) return INDEFINITE;
  *largest = 0.0;
  for (int64_t s = 0; s < n_scales; s++) sums[s] = 0.0;
  for (int64_t row = 0; row < n; row += at_once) {
    const int64_t count = n - row < at_once ? n - row : at_once;
    for (int64_t i = 0; i < count; i++) given[i] = entropy[i] = 0.0;
    for (int64_t i = 0; i < count; i++) T(taken)(proba + (row + i) * stride, K, n_moves, taken, moves[i]);
    for (int64_t first = 0; first < K; first += NUMBERS) {
      const int64_t wide = K - first < NUMBERS ? K - first : NUMBERS, size = count * wide;
      for (int64_t i = 0; i < count; i++) {
        const REAL *p = proba + (row + i) * stride + first;
        const int64_t own = codes[row + i] - first;
        double *q = terms + i * wide;
        if (n_moves) T(given)(p, wide, K, n_moves, kept + first, shared + first, moves[i], q);
        else for (int64_t k = 0; k < wide; k++) q[k] = (double)p[k];
        if (own >= 0 && own < wide) q[own] = 0.0;
        for (int64_t k = 0; k < wide; k++) is_outside |= q[k] < 0.0;
        given[i] += sum_of(q, wide);
      }
      if (!n_scales) continue;
      for (int64_t q = size; q % WIDTH; q++) terms[q] = 0.0;
      times_log(terms, size);
      for (int64_t i = 0; i < count; i++) entropy[i] -= sum_of(terms + i * wide, wide);
    }
    for (int64_t i = 0; i < count; i++) *largest = given[i] > *largest ? given[i] : *largest;
    for (int64_t s = 0; s < n_scales; s++) {
      /* of s p: -sum s p log(s p) = s H - s log s sum p */
      const double scale = scales[s], fallen = scale > 0.0 ? scale * log(scale) : 0.0;
      for (int64_t i = 0; i < count; i++) rest[i] = scale * given[i];
      for (int64_t i = count; i % WIDTH; i++) rest[i] = 1.0;
      rest_times_log(rest, count);
      for (int64_t i = 0; i < count; i++)
        sums[s] += weights[row + i] * (scale * entropy[i] - fallen * given[i] - rest[i]);
    }
  }
  for (int64_t s = 0; s < n_scales && is_outside; s++) if (scales[s] > 0.0) sums[s] = -INFINITY;
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
