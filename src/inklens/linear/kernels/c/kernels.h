/* What kernel files share: names per instruction set, vector width, rows, and threads that share one task. */
#ifndef INKLENS_KERNELS_H
#define INKLENS_KERNELS_H

#include <pthread.h>
#include <stdint.h>
#include <stddef.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define EXPORT(name) __attribute__((visibility("default"))) JOIN(name, ISA)

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

typedef void (*share_t)(void *task, int thread);
typedef struct { share_t run; void *task; int thread; } start_t;

static void *start(void *argument) {
  start_t *s = argument;
  s->run(s->task, s->thread);
  return NULL;
}

/* Run `run(task, t)` for t = 0 .. n_threads - 1; where no thread can be had the caller does its share. */
static inline void parallel(share_t run, void *task, int n_threads) {
  pthread_t handles[MAX_THREADS];
  start_t starts[MAX_THREADS];
  int alive[MAX_THREADS];
  for (int t = 1; t < n_threads; t++) {
    starts[t] = (start_t){run, task, t};
    alive[t] = pthread_create(&handles[t], NULL, start, &starts[t]) == 0;
  }
  run(task, 0);
  for (int t = 1; t < n_threads; t++) {
    if (alive[t]) pthread_join(handles[t], NULL);
    else run(task, t);
  }
}

#endif
