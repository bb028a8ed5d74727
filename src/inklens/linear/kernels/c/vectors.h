/* Vectors of REAL, whose integers of the same size are INTEGER: types v16, v32, v64 (bytes) as far as the machine has
 * them, exponential, larger of two, sum and largest of the lanes. Names carry the type's own ending through T.
 */
typedef REAL T(v8) __attribute__((vector_size(8), aligned(sizeof(REAL)), may_alias));
enum { T(PAIR) = 8 / sizeof(REAL) };
static inline T(v8) T(larger_8)(T(v8) a, T(v8) b) {
  for (int q = 0; q < T(PAIR); q++) a[q] = a[q] > b[q] ? a[q] : b[q];
  return a;
}
static inline REAL T(sum_8)(T(v8) v) { return T(PAIR) == 2 ? v[0] + v[T(PAIR) - 1] : v[0]; }
static inline REAL T(largest_8)(T(v8) v) { return v[0] > v[T(PAIR) - 1] ? v[0] : v[T(PAIR) - 1]; }

#define BYTES 16
#define HALF_BYTES 8
#include "vectors.inc"
#if VECTOR_BYTES >= 32
#define BYTES 32
#define HALF_BYTES 16
#include "vectors.inc"
#endif
#if VECTOR_BYTES >= 64
#define BYTES 64
#define HALF_BYTES 32
#include "vectors.inc"
typedef T(v64) T(widest);
#elif VECTOR_BYTES >= 32
typedef T(v32) T(widest);
#else
typedef T(v16) T(widest);
#endif
