/* What kernel files share: names per instruction set, vector width, rows, deadlines, and threads that share one task. */
#ifndef INKLENS_KERNELS_H
#define INKLENS_KERNELS_H

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#ifdef _WIN32
#include <malloc.h>
#endif

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#ifdef _WIN32
#define VISIBLE __declspec(dllexport)
#else
#define VISIBLE __attribute__((visibility("default")))
#endif
#define EXPORT(name) VISIBLE JOIN(name, ISA)

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

enum { MAX_THREADS = 64 };
enum { PANEL = 256 };                     /* rows; their numbers fit a byte */
enum { U8, F32, F64 };                    /* value types */
enum { DENSE, DENSE_SKIP, CSR16, CSR32 }; /* layouts; DENSE_SKIP drops the zeros of a dense row while reading it */

typedef struct {
  int64_t n_rows, n_features;
  int32_t layout, value_type;
  const void *values;
  int64_t row_stride;    /* dense: elements from one row to the next */
  const void *indices;   /* CSR: columns, uint16 or int32 */
  const int64_t *indptr; /* CSR: (n_rows + 1) */
  /* CSR, or NULL: the entries once more, by groups of 2 or 4 neighbouring columns within panels of PANEL rows. An entry
   * is a row that has a value in any of them; those of group j start at panel_starts[panel * (n_groups + 1) + j]. */
  const void *panel_values;  /* one for each column of the group */
  const uint8_t *panel_rows; /* row within the panel */
  const int64_t *panel_starts;
  int64_t panel_columns;     /* of a group */
} rows_t;

/* One pass over rows, see kernels.c. */
typedef struct {
  int32_t mode, n_classes, lanes, n_threads, square; /* square: BACK folds x^2 */
  const void *coef;       /* (p, L) in the pass's type */
  const void *intercept;  /* (L) */
  const void *point;      /* CURVATURE: coefficients and intercept at which probabilities are made, (p, L) and (L) */
  const void *point_intercept;
  const int32_t *codes;   /* (n) */
  const double *weights;  /* (n) */
  void *scores;           /* (n, L): written by SCORES and LOSS, by HESSIAN if given; BACK reads the residuals here; without them it
                           * makes them of proba, and without these of ones in each row's class, or in the first */
  void *proba;            /* (n, L): written by LOSS, read by HESSIAN */
  void *residual;         /* (n, L): where given, LOSS and HESSIAN write what they would fold back, and fold nothing */
  double *gradient;       /* (p, L) */
  double *class_sums;     /* (L) */
  double *loss;           /* (1) */
  void *workspace;        /* n_threads * workspace_bytes() */
} pass_t;

/* The Hessian over (feature, class) pairs that is wanted, see pair_hessian.c. */
typedef struct {
  const rows_t *rows;
  int64_t n_rows, n_pairs;
  int32_t n_classes, n_threads;
  const int64_t *chosen;    /* (n_rows): the rows that enter */
  const int64_t *first;     /* (n_classes + 1): the pairs of class k are first[k] .. first[k+1] - 1 */
  const int32_t *feature;   /* (n_pairs): slot of each pair */
  const float *proba;       /* (n_classes, n_rows) */
  const float *weights;     /* (n_rows) */
  float scale;              /* the matrix meant is rows * scale */
  float sampling_threshold; /* lighter edges are sampled */
  uint32_t seed;
  float *hessian;           /* (n_pairs, n_pairs): added to */
  const int32_t *slot;      /* (n_features): place of a column among those in use, or n_slots */
  int64_t n_slots;          /* columns in use; `feature` counts these, and n_slots stands for ones */
  double seconds;           /* after which the function returns OUT_OF_TIME */
} pair_job_t;

/* ---- deadlines: functions that may run long look at the clock between blocks of their work --------------------------- */

enum { DONE = 0, NO_MEMORY = 1, INDEFINITE = 2, OUT_OF_TIME = -9 }; /* what such functions return; see library.py */

static inline double clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
static inline double end_after(double seconds) { return seconds < INFINITY ? clock_seconds() + seconds : INFINITY; }
static inline int is_over(double end) { return end < INFINITY && clock_seconds() >= end; }

/* ---- memory that vectors of any width may be read from ---------------------------------------------------------------- */

enum { ALIGNMENT = 64 };

#ifdef _WIN32
static inline void *aligned_new(size_t bytes) { return _aligned_malloc(bytes, ALIGNMENT); }
static inline void aligned_free(void *memory) { _aligned_free(memory); }
#else
static inline void *aligned_new(size_t bytes) {
  return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}
static inline void aligned_free(void *memory) { free(memory); }
#endif

/* ---- numbers below the smallest normal one --------------------------------------------------------------------------- */

/* Where most rows are sure of their class, most probabilities are subnormal, and so is what is made of them: processors
 * take a hundred cycles for each. They count as 0 while a kernel runs; what the caller had is restored after it. */
#if defined(__SSE2__)
#include <emmintrin.h>
typedef unsigned control_t;
enum { SUBNORMALS_ARE_0 = 0x8040 }; /* of results, and of operands */
static inline control_t control(void) { return _mm_getcsr(); }
static inline void set_control(control_t value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
typedef uint64_t control_t;
enum { SUBNORMALS_ARE_0 = 1 << 24 };
static inline control_t control(void) {
  control_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
static inline void set_control(control_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
#else
typedef int control_t;
enum { SUBNORMALS_ARE_0 = 0 };
static inline control_t control(void) { return 0; }
static inline void set_control(control_t value) { (void)value; }
#endif
static inline control_t subnormals_are_0(void) {
  control_t before = control();
  set_control(before | SUBNORMALS_ARE_0);
  return before;
}

/* ---- threads --------------------------------------------------------------------------------------------------------- */

typedef void (*share_t)(void *task, int thread);
typedef struct { share_t run; void *task; int thread; } start_t;

static void *start(void *argument) {
  start_t *s = argument;
  control_t before = subnormals_are_0();
  s->run(s->task, s->thread);
  set_control(before);
  return NULL;
}

/* Run `run(task, t)` for t = 0 .. n_threads - 1; where no thread can be had the caller does its share. */
static inline void parallel(share_t run, void *task, int n_threads) {
  pthread_t handles[MAX_THREADS];
  start_t starts[MAX_THREADS];
  int alive[MAX_THREADS];
  for (int t = 0; t < n_threads; t++) {
    starts[t] = (start_t){run, task, t};
    alive[t] = t && pthread_create(&handles[t], NULL, start, &starts[t]) == 0;
  }
  for (int t = 0; t < n_threads; t++) {
    if (alive[t]) pthread_join(handles[t], NULL);
    else start(&starts[t]);
  }
}

#endif
