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

#define DEFINE_VECTOR(bytes, half) \
typedef REAL T(v##bytes) __attribute__((vector_size(bytes), aligned(sizeof(REAL)), may_alias)); \
typedef INTEGER T(i##bytes) __attribute__((vector_size(bytes), aligned(sizeof(REAL)), may_alias)); \
/* exp(x) for x <= 0, by 2^k exp(r) with |r| <= ln(2)/2; flushes to the smallest normal number */ \
static inline __attribute__((always_inline)) T(v##bytes) T(exp_##bytes)(T(v##bytes) x) { \
  const int single = sizeof(REAL) == 4; \
  const REAL magic = single ? (REAL)12582912.0 : (REAL)6755399441055744.0; /* 1.5 * 2^mantissa bits */ \
  T(v##bytes) lowest = x - x + (single ? (REAL)-87.0 : (REAL)-708.0); \
  T(i##bytes) keep = x > lowest; \
  x = (T(v##bytes))(((T(i##bytes))x & keep) | ((T(i##bytes))lowest & ~keep)); \
  T(v##bytes) shifted = x * (REAL)1.4426950408889634 + magic, k = shifted - magic, r, poly; \
  T(i##bytes) power = (T(i##bytes))shifted << (single ? 23 : 52); \
  if (single) { \
    r = x - k * (REAL)0.693359375; \
    r = r - k * (REAL)-2.12194440e-4; \
    poly = r * (REAL)(1.0 / 720) + (REAL)(1.0 / 120); \
    poly = poly * r + (REAL)(1.0 / 24); \
  } else { \
    r = x - k * (REAL)6.93147180369123816490e-01; \
    r = r - k * (REAL)1.90821492927058770002e-10; \
    poly = r * (REAL)(1.0 / 479001600) + (REAL)(1.0 / 39916800); \
    poly = poly * r + (REAL)(1.0 / 3628800); \
    poly = poly * r + (REAL)(1.0 / 362880); \
    poly = poly * r + (REAL)(1.0 / 40320); \
    poly = poly * r + (REAL)(1.0 / 5040); \
    poly = poly * r + (REAL)(1.0 / 720); \
    poly = poly * r + (REAL)(1.0 / 120); \
    poly = poly * r + (REAL)(1.0 / 24); \
  } \
  poly = poly * r + (REAL)(1.0 / 6); \
  poly = poly * r + (REAL)0.5; \
  poly = poly * r + (REAL)1.0; \
  poly = poly * r + (REAL)1.0; \
  return (T(v##bytes))((T(i##bytes))poly + power); \
} \
static inline __attribute__((always_inline)) T(v##bytes) T(larger_##bytes)(T(v##bytes) a, T(v##bytes) b) { \
  T(i##bytes) more = a > b; \
  return (T(v##bytes))(((T(i##bytes))a & more) | ((T(i##bytes))b & ~more)); \
} \
static inline __attribute__((always_inline)) REAL T(sum_##bytes)(T(v##bytes) v) { \
  T(v##half) low, high; \
  memcpy(&low, &v, half), memcpy(&high, (char *)&v + half, half); \
  return T(sum_##half)(low + high); \
} \
static inline __attribute__((always_inline)) REAL T(largest_##bytes)(T(v##bytes) v) { \
  T(v##half) low, high; \
  memcpy(&low, &v, half), memcpy(&high, (char *)&v + half, half); \
  return T(largest_##half)(T(larger_##half)(low, high)); \
}

DEFINE_VECTOR(16, 8)
#if VECTOR_BYTES >= 32
DEFINE_VECTOR(32, 16)
#endif
#if VECTOR_BYTES >= 64
DEFINE_VECTOR(64, 32)
typedef T(v64) T(widest);
#elif VECTOR_BYTES >= 32
typedef T(v32) T(widest);
#else
typedef T(v16) T(widest);
#endif
#undef DEFINE_VECTOR
