/* Passes over the rows of a data matrix, fused: scores, softmax loss and gradient, Hessian times direction.
 *
 * The file is compiled once per instruction set (-DISA=avx512, avx2, neon or plain with the matching machine flags) and
 * includes itself once per floating-point type. Vectors are the compiler's own (GCC and Clang vector extensions), so
 * the same text serves every machine.
 *
 * Layout. Classes lie in lanes: coefficients W and gradient G are (p, L), scores and probabilities (n, L), where L is
 * the number of classes K rounded up to 4, 8 or a multiple of 16. One non-zero x_ij then costs one multiply-add on
 * W[j] for the scores and one on G[j] for the gradient. Rows are read once: a tile of rows is unpacked, scored, turned
 * into residuals and folded back into G while it lies in cache. Sparse rows come in panels of PANEL rows, by groups of
 * columns (see rows_t): a group's coefficients or sums then stay in registers while its entries go by, and the scores
 * of the panel in the first cache. Dense bytes with few non-zeros are brought into that order a panel at a time, while
 * they are read (groups_t). Sums over rows run in the pass's type within a chunk of rows and in float64 over
 * chunks. Threads own contiguous rows and private sums, added in thread order, so that a given number of threads
 * always gives the same bits.
 */
#ifndef REAL

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#ifdef __AVX512F__
#include <immintrin.h>
#endif

/* Rows between two flushes of G into float64. Proofs count the additions that a sum passes through (`n_added` of the
 * library's passes in Python): about as many in a chunk as of chunks is best. */
enum { CHUNK_ROWS = 1024, CHUNK_ROWS_FLOAT64 = 256 };
enum { UNPACKED = 2048 };      /* values of a panel that are unpacked at a time; a group has at most 4 PANEL */
enum { DENSE_COLUMNS = 128 };  /* of dense rows at a time */
enum { LONG_ROW = 2048 };      /* bytes from which rows are read where they lie: prefetching loses track of shorter ones */
enum { ROOM = PANEL + 16 };     /* of a group's entries; not a power of two, so that groups share no cache set */
enum { SCORES, LOSS, HESSIAN, BACK, CURVATURE };     /* modes of a pass */

/* The entries of one panel of dense bytes, by groups of four neighbouring columns. */
typedef struct {
  uint32_t *values; /* (n_groups, ROOM): the four bytes of a row */
  uint8_t *rows;    /* (n_groups, ROOM): which row of the panel */
  int32_t *counts;  /* (n_groups) */
} groups_t;

/* Bit g tells whether any of bytes 4 g .. 4 g + 3 is not zero, for 16 groups. */
static inline uint32_t groups_in_use(const uint8_t *source) {
#ifdef __AVX512F__
  __m512i all = _mm512_loadu_si512(source);
  return _mm512_test_epi32_mask(all, all);
#else
  uint32_t used = 0;
  for (int half = 0; half < 8; half++) {
    uint64_t eight;
    memcpy(&eight, source + 8 * half, 8);
    if (!eight) continue; /* runs of paper */
    uint32_t pair[2];
    memcpy(pair, &eight, 8);
    used |= ((uint32_t)(pair[0] != 0) | (uint32_t)(pair[1] != 0) << 1) << 2 * half;
  }
  return used;
#endif
}

static inline void gather_one(groups_t *to, int64_t group, const uint8_t *source, int64_t size, int row) {
  uint32_t four = 0;
  memcpy(&four, source, size);
  int64_t at = group * ROOM + to->counts[group];
  to->values[at] = four, to->rows[at] = (uint8_t)row;
  to->counts[group] += four != 0;
}

static void gather(const rows_t *rows, int64_t first, int count, groups_t *to) {
  int64_t p = rows->n_features, n_groups = (p + 3) / 4;
  memset(to->counts, 0, n_groups * sizeof(int32_t));
  for (int i = 0; i < count; i++) {
    const uint8_t *source = (const uint8_t *)rows->values + (first + i) * rows->row_stride;
    int64_t group = 0;
    while (4 * group + 64 <= p) { /* four looks at a time: leaving a loop is what costs */
      uint64_t used = 0;
      int64_t start = group;
      for (; group < start + 64 && 4 * group + 64 <= p; group += 16)
        used |= (uint64_t)groups_in_use(source + 4 * group) << (group - start);
      for (; used; used &= used - 1) {
        int64_t own = start + __builtin_ctzll(used);
        gather_one(to, own, source + 4 * own, 4, i);
      }
    }
    for (; 4 * group + 4 <= p; group++) gather_one(to, group, source + 4 * group, 4, i);
    if (4 * group < p) gather_one(to, group, source + 4 * group, p - 4 * group, i);
  }
}

static int64_t groups_bytes(const rows_t *rows) {
  return gathers(rows) ? (rows->n_features + 3) / 4 * (ROOM * 5 + 4) + 64 : 0;
}

static groups_t groups_in(void *memory, const rows_t *rows) {
  int64_t n_groups = (rows->n_features + 3) / 4;
  uint32_t *values = memory;
  int32_t *counts = (int32_t *)(values + n_groups * ROOM);
  return (groups_t){values, (uint8_t *)(counts + n_groups), counts};
}

/* Bytes of private sums that one thread of a pass needs. */
static int64_t private_bytes(int64_t n_features, int32_t lanes) {
  return ((n_features + 1) * (int64_t)lanes * (8 + 8) + 4096 + 63) / 64 * 64;
}
int64_t EXPORT(workspace_bytes)(int64_t n_features, int64_t lanes) { return private_bytes(n_features, (int32_t)lanes); }

#define REAL float
#define INTEGER int32_t
#define TYPE f32
#include "kernels.c"
#undef REAL
#undef INTEGER
#undef TYPE

#define REAL double
#define INTEGER int64_t
#define TYPE f64
#include "kernels.c"
#undef REAL
#undef INTEGER
#undef TYPE

#else /* REAL: everything below exists for float and for double */

#define T(name) JOIN(name, TYPE)
enum { T(REAL_TYPE) = sizeof(REAL) == sizeof(float) ? F32 : F64 };
#include "vectors.h"

#include "unpack.inc"

/* ---- multiply-adds with the classes in lanes, for each vector width -------------------------------------------------- */

#define BYTES 16
#include "lanes.inc"
#if VECTOR_BYTES >= 32
#define BYTES 32
#include "lanes.inc"
#endif
#if VECTOR_BYTES >= 64
#define BYTES 64
#include "lanes.inc"
#endif

typedef void (*T(panel_t))(const REAL *, const uint8_t *, const int64_t *, int64_t, int64_t, int64_t, const REAL *, int,
                           REAL *);
/* The functions for one number of lanes, on the widest vectors that divide it. */
typedef struct {
  void (*forward)(const T(tile_t) *, int, int64_t, int, const REAL *, int, REAL *);
  void (*backward)(const T(tile_t) *, int, int64_t, int, const REAL *, int, REAL *);
  T(panel_t) spread[2], fold[2]; /* of groups of two and of four columns */
  double (*softmax)(const REAL *, REAL *, REAL *, const int32_t *, const double *, int, int, const REAL *,
                    const INTEGER *);
  void (*shares)(REAL *, int, int, const REAL *);
  void (*curve)(REAL *, const REAL *, const double *, int, int);
} T(lanes_t);
#define CHOSEN(bytes) \
  (T(lanes_t)){T(forward_##bytes), T(backward_##bytes), {T(spread2_##bytes), T(spread4_##bytes)}, \
               {T(fold2_##bytes), T(fold4_##bytes)}, T(softmax_##bytes), T(shares_##bytes), \
               T(curve_##bytes)}

static T(lanes_t) T(choose)(int lanes) {
  size_t bytes = lanes * sizeof(REAL);
#if VECTOR_BYTES >= 64
  if (bytes % 64 == 0) return CHOSEN(64);
#endif
#if VECTOR_BYTES >= 32
  if (bytes % 32 == 0) return CHOSEN(32);
#endif
  (void)bytes;
  return CHOSEN(16);
}

/* Take one panel's groups of columns one way or the other (spread or fold), some at a time: unpacked into `entries`. */
static void T(walk_panel)(const T(panel_t) *ways, const rows_t *rows, int64_t first, const REAL *in, int lanes, REAL *out,
                          REAL *entries, int square) {
  int64_t p = rows->n_features, cols = rows->panel_columns, n_groups = (p + cols - 1) / cols;
  const int64_t *starts = rows->panel_starts + first / PANEL * (n_groups + 1);
  for (int64_t from = 0, to; from < n_groups; from = to) {
    for (to = from + 1; to < n_groups && cols * (starts[to + 1] - starts[from]) <= UNPACKED; to++);
    int64_t at = cols * starts[from], size = cols * (starts[to] - starts[from]);
#define UNPACK(type) \
    do for (int64_t q = 0; q < size; q++) entries[q] = (REAL)((const type *)rows->panel_values)[at + q]; while (0)
    if (rows->value_type == U8) UNPACK(uint8_t);
    else if (rows->value_type == F32) UNPACK(float);
    else UNPACK(double);
#undef UNPACK
    if (square) T(square)(entries, size);
    ways[cols == 4](entries, rows->panel_rows + starts[from], starts, from, to, p, in, lanes, out);
  }
}

/* Take a panel's gathered groups one way or the other; from one group to the next `in` and `out` move on by their steps. */
static void T(walk_groups)(T(panel_t) way, const groups_t *from, int64_t p, const REAL *in, int64_t in_step, int lanes,
                           REAL *out, int64_t out_step, REAL *entries, int square) {
  for (int64_t group = 0; 4 * group < p; group++) {
    const int64_t starts[2] = {0, from->counts[group]}, size = 4 * starts[1];
    const uint8_t *bytes = (const uint8_t *)(from->values + group * ROOM);
    if (!size) continue;
    for (int64_t q = 0; q < size; q++) entries[q] = (REAL)bytes[q];
    if (square) T(square)(entries, size);
    way(entries, from->rows + group * ROOM, starts, 0, 1, p - 4 * group, in + group * in_step, lanes,
        out + group * out_step);
  }
}

/* ---- some rows at a time, in whatever layout ------------------------------------------------------------------------ */

typedef struct {
  const rows_t *rows;
  T(lanes_t) on;
  int lanes, square, height; /* height: rows at a time */
  T(tile_t) tile;            /* of panels: room for values alone */
  groups_t groups;
} T(reader_t);

static void T(read)(T(reader_t) *reader, int64_t row, int count) {
  const rows_t *rows = reader->rows;
  if (rows->panel_starts) return;
  if (gathers(rows)) { gather(rows, row, count, &reader->groups); return; }
  reader->tile.dense = reader->tile.values, reader->tile.stride = rows->n_features;
  int is_long = rows->n_features * sizeof(REAL) >= LONG_ROW, as_it_is = rows->value_type == T(REAL_TYPE);
  if (rows->layout == DENSE && is_long && as_it_is && !reader->square && count == TILE) {
    reader->tile.dense = (const REAL *)rows->values + row * rows->row_stride, reader->tile.stride = rows->row_stride;
    return;
  }
  T(unpack)(rows, row, count, &reader->tile);
  if (reader->square)
    T(square)(reader->tile.values, rows->layout == DENSE ? count * rows->n_features : reader->tile.start[count]);
}

/* z = b + W x for the rows that were read */
static void T(score)(T(reader_t) *reader, int64_t row, int count, const REAL *W, const REAL *b, REAL *z) {
  const rows_t *rows = reader->rows;
  const int L = reader->lanes;
  for (int i = 0; i < reader->height; i++) memcpy(z + i * L, b, L * sizeof(REAL));
  if (rows->panel_starts) T(walk_panel)(reader->on.spread, rows, row, W, L, z, reader->tile.values, 0);
  else if (gathers(rows))
    T(walk_groups)(reader->on.spread[1], &reader->groups, rows->n_features, W, 4 * L, L, z, 0, reader->tile.values, 0);
  else reader->on.forward(&reader->tile, rows->layout != DENSE, rows->n_features, count, W, L, z);
}

/* G += r x' */
static void T(fold)(T(reader_t) *reader, int64_t row, int count, const REAL *r, REAL *G) {
  const rows_t *rows = reader->rows;
  const int L = reader->lanes, square = reader->square;
  if (rows->panel_starts) T(walk_panel)(reader->on.fold, rows, row, r, L, G, reader->tile.values, square);
  else if (gathers(rows))
    T(walk_groups)(reader->on.fold[1], &reader->groups, rows->n_features, r, 0, L, G, 4 * L, reader->tile.values,
                   square);
  else reader->on.backward(&reader->tile, rows->layout != DENSE, rows->n_features, count, r, L, G);
}

/* ---- one thread's share of a pass --------------------------------------------------------------------------------- */

typedef struct { const rows_t *rows; const pass_t *pass; double *loss; int *failed; } T(work_t);

static void T(flush)(REAL *part, double *total, int64_t size) {
  for (int64_t q = 0; q < size; q++) total[q] += (double)part[q];
  memset(part, 0, size * sizeof(REAL));
}

/* sums (L) += the rows of r (count, L), even and odd ones apart: an addition would wait for the one before */
static void T(add_up)(const REAL *r, int count, int L, double *sums) {
  typedef REAL four_t __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
  typedef double sums_t __attribute__((vector_size(32), aligned(8), may_alias));
  for (int k = 0; k < L; k += 4) {
    sums_t even = *(sums_t *)(sums + k), odd = {0};
    int i = 0;
    for (; i + 2 <= count; i += 2) {
      even += __builtin_convertvector(*(const four_t *)(r + i * L + k), sums_t);
      odd += __builtin_convertvector(*(const four_t *)(r + (i + 1) * L + k), sums_t);
    }
    if (i < count) even += __builtin_convertvector(*(const four_t *)(r + i * L + k), sums_t);
    *(sums_t *)(sums + k) = even + odd;
  }
}

/* r (count, L) = c (y - p), the own class as the others tell */
static void T(residuals)(const REAL *p, const int32_t *codes, const double *weights, int count, int K, int L, REAL *r) {
  for (int i = 0; i < count; i++, p += L, r += L) {
    REAL c = (REAL)weights[i], others = 0;
    for (int k = 0; k < L; k++) r[k] = k < K ? -p[k] * c : 0;
    r[codes[i]] = 0;
    for (int k = 0; k < K; k++) others += r[k];
    r[codes[i]] = -others;
  }
}

static void T(share)(void *argument, int thread) {
  const T(work_t) *work = argument;
  const rows_t *rows = work->rows;
  const pass_t *pass = work->pass;
  const int K = pass->n_classes, L = pass->lanes, mode = pass->mode;
  const int by_panels = rows->panel_starts != NULL || gathers(rows), height = by_panels ? PANEL : TILE;
  const int64_t p = rows->n_features, size = pass->residual ? 0 : p * L;
  const int64_t from = first_row(rows, thread, pass->n_threads), to = first_row(rows, thread + 1, pass->n_threads);
  double *G = (double *)((char *)pass->workspace + thread * private_bytes(size / L, L)), *sums = G + size;
  REAL *part = (REAL *)(sums + L);
  if (mode != SCORES) memset(G, 0, (size + L) * sizeof(double)), memset(part, 0, size * sizeof(REAL));
  int64_t widest = by_panels ? UNPACKED : T(widest_tile)(rows, from, to);
  size_t own = (size_t)(3 * height + 1) * L * sizeof(REAL) + L * sizeof(INTEGER) + groups_bytes(rows) + 128;
  char *buffer = malloc(widest * (sizeof(REAL) + sizeof(int32_t)) + own);
  if (!buffer) { work->failed[thread] = 1; return; }
  REAL *z = (REAL *)(((uintptr_t)buffer + 63) / 64 * 64), *r = z + height * L, *q = r + height * L;
  REAL *spare = q + height * L;
  INTEGER *lane = (INTEGER *)(spare + L);
  T(reader_t) reader = {rows, T(choose)(L), L, pass->square, height, {.values = (REAL *)(lane + L)}, {NULL, NULL, NULL}};
  reader.tile.columns = (int32_t *)(reader.tile.values + widest);
  reader.groups = groups_in(reader.tile.columns + widest, rows);
  for (int k = 0; k < L; k++) spare[k] = k < K ? 0 : -INFINITY, lane[k] = k;
  if (rows->layout == DENSE) memset(reader.tile.values, 0, widest * sizeof(REAL));
  int64_t chunk = sizeof(REAL) == sizeof(float) ? CHUNK_ROWS : CHUNK_ROWS_FLOAT64, chunk_end;
  if (rows->layout >= CSR16 && to > from) { /* wide rows: flush no more often than the non-zeros pay for it */
    int64_t mean = (rows->indptr[to] - rows->indptr[from]) / (to - from) + 1;
    if (8 * p / mean > chunk) chunk = 8 * p / mean;
  }
  chunk_end = from + chunk;
  double loss = 0.0;
  for (int64_t row = from; row < to; row += height) {
    int count = to - row < height ? (int)(to - row) : height;
    REAL *zs = pass->scores ? (REAL *)pass->scores + row * L : NULL;
    REAL *ps = pass->proba ? (REAL *)pass->proba + row * L : NULL;
    T(read)(&reader, row, count);
    if (count < height) memset(r, 0, (size_t)height * L * sizeof(REAL));
    if (mode == BACK && zs) memcpy(r, zs, (size_t)count * L * sizeof(REAL));
    else if (mode == BACK && ps) T(residuals)(ps, pass->codes + row, pass->weights + row, count, K, L, r);
    else if (mode == BACK) { /* the rows of each class by their weights, or all of them */
      memset(r, 0, (size_t)count * L * sizeof(REAL));
      for (int i = 0; i < count; i++) r[i * L + (pass->codes ? pass->codes[row + i] : 0)] = (REAL)pass->weights[row + i];
    }
    else {
      T(score)(&reader, row, count, pass->coef, pass->intercept, z);
      if (zs) memcpy(zs, z, (size_t)count * L * sizeof(REAL));
      if (mode == SCORES) continue;
      if (mode == LOSS)
        loss += reader.on.softmax(z, ps, r, pass->codes + row, pass->weights + row, count, L, spare, lane);
      else {
        if (mode == CURVATURE) { /* the probabilities are made here */
          T(score)(&reader, row, count, pass->point, pass->point_intercept, ps = q);
          reader.on.shares(ps, count, L, spare);
        }
        memcpy(r, z, (size_t)count * L * sizeof(REAL));
        reader.on.curve(r, ps, pass->weights + row, count, L);
      }
    }
    T(add_up)(r, count, L, sums);
    if (pass->residual) {
      memcpy((REAL *)pass->residual + row * L, r, (size_t)count * L * sizeof(REAL));
      continue;
    }
    T(fold)(&reader, row, count, r, part);
    if (row + height >= chunk_end) {
      T(flush)(part, G, size);
      chunk_end += chunk;
    }
  }
  if (mode != SCORES) T(flush)(part, G, size);
  work->loss[thread] = loss;
  free(buffer);
}

/* Run one pass; returns DONE, NO_MEMORY, or 2 for a number of threads that cannot be. */
int64_t EXPORT(T(pass))(const rows_t *rows, const pass_t *pass) {
  double loss[MAX_THREADS] = {0};
  int failed[MAX_THREADS] = {0}, any = 0, n = pass->n_threads;
  T(work_t) work = {rows, pass, loss, failed};
  if (n < 1 || n > MAX_THREADS) return 2;
  parallel(T(share), &work, n);
  for (int t = 0; t < n; t++) any |= failed[t];
  if (any || pass->mode == SCORES) return any;
  int64_t size = pass->residual ? 0 : rows->n_features * pass->lanes;
  if (size) memset(pass->gradient, 0, size * sizeof(double));
  memset(pass->class_sums, 0, pass->lanes * sizeof(double));
  for (int t = 0; t < n; t++) {
    double *G = (double *)((char *)pass->workspace + t * private_bytes(size / pass->lanes, pass->lanes));
    for (int64_t q = 0; q < size; q++) pass->gradient[q] += G[q];
    for (int k = 0; k < pass->lanes; k++) pass->class_sums[k] += G[size + k];
    if (pass->loss) *pass->loss = (t ? *pass->loss : 0.0) + loss[t];
  }
  return 0;
}

#undef CHOSEN
#undef T
#endif
