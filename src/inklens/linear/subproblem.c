/* The quadratic subproblem of a proximal Newton step: its Hessian over (feature, class) pairs, and its descent.
 *
 * A row's softmax Hessian diag(p) - p p' is the Laplacian of the complete graph over the classes with edge weights
 * p_k p_l. So the Hessian over pairs is a sum over edges (k, l) of X_k' diag(c p_k p_l) X_l, and most edges of a
 * confident row weigh next to nothing. Edges lighter than `light` are kept with probability weight / light and then
 * weigh `light`: unbiased, and still a Laplacian, so the Hessian stays positive semi-definite.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

typedef float lanes_t __attribute__((vector_size(VECTOR_BYTES)));
enum { LANES = VECTOR_BYTES / 4 };
/* A tile of sums that fits the registers: TALL x WIDE, WIDE = 3 vectors, or fewer at the end of a row. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { TALL = 8 };
#else
enum { TALL = 4 };
#endif
enum { WIDE = 3 * LANES, WHOLE = LANES > TALL ? LANES : TALL, DEPTH = 128 };

enum { ROW_BLOCK = 256, SPAN = 1 << 16, PACKED_BYTES = 24 << 20 }; /* packed rows at hand: what a shared cache holds */

typedef struct {
  int64_t width, stride; /* pairs of this class; the same rounded up to a multiple of WHOLE */
  /* of the rows of the span: */
  int32_t *place;        /* how many rows before it have an edge, or -1 where it has none itself */
  float *degree;         /* sum of the edges at this class */
  /* of the rows from .. to - 1 at hand: */
  int32_t before, kept;  /* rows with an edge before these, and among these */
  float *packed;         /* (kept, stride): the columns of this class's pairs */
} class_t;

typedef struct {
  const rows_t *rows;
  int64_t n_rows, n_pairs;
  int32_t n_classes, n_threads;
  const int64_t *chosen;  /* (n_rows): the rows that enter */
  const int64_t *first;   /* (n_classes + 1): the pairs of class k are first[k] .. first[k+1] - 1 */
  const int32_t *feature; /* (n_pairs): slot of each pair */
  const float *proba;     /* (n_classes, n_rows) */
  const float *weights;   /* (n_rows) */
  float scale, light;     /* the matrix meant is rows * scale */
  uint32_t seed;
  float *hessian;         /* (n_pairs, n_pairs): added to */
  const int32_t *slot;    /* (n_features): place of a column among those in use, or n_slots */
  int64_t n_slots;        /* columns in use; `feature` counts these, and n_slots stands for ones */
  /* filled here */
  class_t *classes;
  int64_t *order;         /* blocks, heavy ones first */
  int64_t span, span_end; /* rows whose edges are summed at a time */
  int64_t from, to;       /* of these, the rows at hand */
  int64_t n_blocks, next_class, next_row_block, next_block;
  int32_t failed;
} hessian_t;

/* A number in [0, 1) from row, edge and seed: the same on every thread and machine (murmur3's finaliser). */
static inline float chance(uint32_t row, uint32_t edge, uint32_t seed) {
  uint32_t h = row * 0x9e3779b1u ^ edge * 0x85ebca77u ^ seed;
  h ^= h >> 16; h *= 0x85ebca6bu; h ^= h >> 13; h *= 0xc2b2ae35u; h ^= h >> 16;
  return (float)(int32_t)(h >> 8) * 0x1p-24f;
}

/* Weights with which the edges (k, l) of rows from .. from + n - 1 enter; 0 drops one. */
static void edge_weights(const hessian_t *h, int k, int l, int64_t from, int n, float *restrict out) {
  const float *restrict pk = h->proba + k * h->n_rows + from, *restrict pl = h->proba + l * h->n_rows + from;
  const float *restrict weights = h->weights + from;
  uint32_t edge = (uint32_t)(k > l ? k * h->n_classes + l : l * h->n_classes + k), seed = h->seed;
  float light = h->light;
  for (int i = 0; i < n; i++) {
    float weight = weights[i] * pk[i] * pl[i];
    float sampled = weight > light * chance((uint32_t)from + (uint32_t)i, edge, seed) ? light : 0.0f;
    out[i] = weight >= light ? weight : sampled;
  }
}

/* First phase, by classes, for a span of rows: the sum of the edges at class k, and the rows that have one. */
static void sum_edges(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  for (;;) {
    int64_t k = __atomic_fetch_add(&h->next_class, 1, __ATOMIC_RELAXED);
    if (k >= h->n_classes) return;
    class_t *class = h->classes + k;
    if (class->width == 0) continue;
    memset(class->degree, 0, (h->span_end - h->span) * sizeof(float));
    float edge[ROW_BLOCK];
    for (int64_t from = h->span; from < h->span_end; from += ROW_BLOCK) {
      int n = h->span_end - from < ROW_BLOCK ? (int)(h->span_end - from) : ROW_BLOCK;
      for (int l = 0; l < h->n_classes; l++) {
        if (l == k) continue;
        edge_weights(h, (int)k, l, from, n, edge);
        for (int i = 0; i < n; i++) class->degree[from - h->span + i] += edge[i];
      }
    }
    int32_t kept = 0;
    for (int64_t i = 0; i < h->span_end - h->span; i++) class->place[i] = class->degree[i] > 0.0f ? kept++ : -1;
    class->before = class->kept = 0;
  }
}

static inline float value_at(const rows_t *rows, int64_t at) {
  if (rows->value_type == U8) return (float)((const uint8_t *)rows->values)[at];
  if (rows->value_type == F32) return ((const float *)rows->values)[at];
  return (float)((const double *)rows->values)[at];
}

static inline int64_t column_at(const rows_t *rows, int64_t at) {
  return rows->layout == CSR16 ? ((const uint16_t *)rows->indices)[at] : ((const int32_t *)rows->indices)[at];
}

/* Write the columns in use of row i, times scale, into `out` (n_slots + 1); the last entry is a bin. */
static void expand(const hessian_t *h, int64_t i, float *out) {
  const rows_t *rows = h->rows;
  if (rows->layout >= CSR16) {
    memset(out, 0, h->n_slots * sizeof(float));
    for (int64_t at = rows->indptr[i]; at < rows->indptr[i + 1]; at++)
      out[h->slot[column_at(rows, at)]] = h->scale * value_at(rows, at);
  } else {
    for (int64_t j = 0; j < rows->n_features; j++) out[h->slot[j]] = h->scale * value_at(rows, i * rows->row_stride + j);
  }
}

/* Move on by as many rows as fit `capacity` floats once packed, a block of rows at least. */
static void take_rows(hessian_t *h, float *packed, int64_t capacity) {
  int64_t size = 0;
  for (int k = 0; k < h->n_classes; k++) {
    h->classes[k].before += h->classes[k].kept;
    h->classes[k].kept = 0;
  }
  for (h->from = h->to; h->to < h->span_end; h->to += ROW_BLOCK) {
    int64_t last = h->to + ROW_BLOCK < h->span_end ? h->to + ROW_BLOCK : h->span_end, more = 0;
    int32_t kept[h->n_classes];
    for (int k = 0; k < h->n_classes; k++) {
      kept[k] = 0;
      if (h->classes[k].width == 0) continue;
      for (int64_t i = h->to; i < last; i++) kept[k] += h->classes[k].place[i - h->span] >= 0;
      more += kept[k] * h->classes[k].stride;
    }
    if (size + more > capacity && h->to > h->from) break;
    for (int k = 0; k < h->n_classes; k++) h->classes[k].kept += kept[k];
    size += more;
  }
  if (h->to > h->span_end) h->to = h->span_end;
  for (int k = 0; k < h->n_classes; k++) {
    h->classes[k].packed = packed;
    packed += h->classes[k].kept * h->classes[k].stride;
  }
}

static inline float *packed_row(const hessian_t *h, const class_t *class, int64_t i) {
  return class->packed + (class->place[i - h->span] - class->before) * class->stride;
}

/* Second phase, by blocks of rows: each class's own columns side by side, padded with zeros. */
static void pack_rows(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  float *row = malloc((h->n_slots + 1) * sizeof(float));
  if (!row) { h->failed = 1; return; }
  for (;;) {
    int64_t from = h->from + __atomic_fetch_add(&h->next_row_block, 1, __ATOMIC_RELAXED) * ROW_BLOCK;
    if (from >= h->to) break;
    int64_t to = from + ROW_BLOCK < h->to ? from + ROW_BLOCK : h->to;
    for (int64_t i = from; i < to; i++) {
      expand(h, h->chosen[i], row);
      row[h->n_slots] = 1.0f;
      for (int k = 0; k < h->n_classes; k++) {
        const class_t *class = h->classes + k;
        if (class->width == 0 || class->place[i - h->span] < 0) continue;
        const int32_t *feature = h->feature + h->first[k];
        float *out = packed_row(h, class, i);
        for (int64_t j = 0; j < class->width; j++) out[j] = row[feature[j]];
        for (int64_t j = class->width; j < class->stride; j++) out[j] = 0.0f;
      }
    }
  }
  free(row);
}

typedef uint64_t mask_t[DEPTH / 64]; /* rows of a tile that count: bit r % 64 of number r / 64 */

/* out (TALL, parts vectors) += a' B over the rows in both masks, where a holds TALL numbers a row and B the rows from
 * `side` on; only the first `tall` x `wide` of it exist. */
static inline __attribute__((always_inline)) void add_tile(const uint64_t *left, const uint64_t *right, const float *a,
                                                           const float **rows, int64_t side, float *out,
                                                           int64_t stride, int tall, int wide, const int parts) {
  lanes_t sum[TALL][3] = {{{0}}};
  for (int word = 0; word < DEPTH / 64; word++)
    for (uint64_t rest = left[word] & right[word]; rest; rest &= rest - 1) {
      int r = 64 * word + __builtin_ctzll(rest);
      const float *own = a + r * TALL;
      const lanes_t *b = (const lanes_t *)(rows[r] + side);
#pragma GCC unroll 8
      for (int i = 0; i < TALL; i++)
        for (int v = 0; v < parts; v++) sum[i][v] += own[i] * b[v];
    }
  for (int i = 0; i < tall; i++) {
    float line[WIDE];
    memcpy(line, sum[i], sizeof line);
    for (int j = 0; j < wide; j++) out[i * stride + j] += line[j];
  }
}

static void add_tile_of(int parts, const uint64_t *left, const uint64_t *right, const float *a, const float **rows,
                        int64_t side, float *out, int64_t stride, int tall, int wide) {
  if (parts == 1) add_tile(left, right, a, rows, side, out, stride, tall, wide, 1);
  else if (parts == 2) add_tile(left, right, a, rows, side, out, stride, tall, wide, 2);
  else add_tile(left, right, a, rows, side, out, stride, tall, wide, 3);
}

static inline int any_not_zero(const float *x, int n) {
  uint32_t bits = 0;
  for (int j = 0; j < n; j++) {
    uint32_t one;
    memcpy(&one, x + j, 4);
    bits |= one;
  }
  return bits << 1 != 0; /* -0.0 is a zero */
}

/* Add up to DEPTH weighted rows to a block: a strip of TALL columns of the left rows at a time, against WIDE columns of
 * the right ones. Rows that are all zero there, as paper is, are left out. `strips` holds (stride / TALL, DEPTH, TALL). */
static void add_rows(int depth, const float *weight, const float **left_rows, const float **right_rows, int64_t tall,
                     int64_t wide, int symmetric, float *strips, mask_t *inked, float *block, int64_t stride) {
  for (int64_t top = 0; top < tall; top += TALL) {
    float *strip = strips + top * DEPTH;
    memset(inked[top / TALL], 0, sizeof(mask_t));
    for (int r = 0; r < depth; r++) {
      if (!any_not_zero(left_rows[r] + top, TALL)) continue;
      inked[top / TALL][r / 64] |= (uint64_t)1 << r % 64;
      for (int j = 0; j < TALL; j++) strip[r * TALL + j] = weight[r] * left_rows[r][top + j];
    }
  }
  for (int64_t side = 0; side < wide; side += WIDE) {
    int own = wide - side < WIDE ? (int)(wide - side) : WIDE, parts = (own + LANES - 1) / LANES;
    mask_t right = {0};
    for (int r = 0; r < depth; r++)
      if (any_not_zero(right_rows[r] + side, own)) right[r / 64] |= (uint64_t)1 << r % 64;
    for (int64_t top = symmetric ? side / TALL * TALL : 0; top < tall; top += TALL) /* above the diagonal: mirrored */
      add_tile_of(parts, inked[top / TALL], right, strips + top * DEPTH, right_rows, side, block + top * stride + side,
                  stride, tall - top < TALL ? (int)(tall - top) : TALL, own);
  }
}

/* Whether block (k, l) is symmetric: so is every one of classes with the same features. */
static int same_features(const hessian_t *h, int k, int l) {
  int64_t width = h->classes[k].width;
  return width == h->classes[l].width &&
         !memcmp(h->feature + h->first[k], h->feature + h->first[l], width * sizeof(int32_t));
}

/* Block (k, l) of the Hessian, l <= k: +X_k' diag(degree_k) X_k on the diagonal, -X_k' diag(edge) X_l off it. */
static int add_block(hessian_t *h, int k, int l) {
  const class_t *left = h->classes + k, *right = h->classes + l;
  int64_t tall = left->width, wide = right->width, n_pairs = h->n_pairs;
  if (tall == 0 || wide == 0) return 0;
  int symmetric = same_features(h, k, l);
  float *strips = malloc(left->stride * (DEPTH * sizeof(float) + sizeof(mask_t))), edge[ROW_BLOCK], weight[DEPTH];
  if (!strips) return 1;
  mask_t *inked = (mask_t *)(strips + left->stride * DEPTH);
  const float *left_rows[DEPTH], *right_rows[DEPTH];
  float *block = h->hessian + h->first[k] * n_pairs + h->first[l];
  int depth = 0, n_kept = 0, next = 0, kept[ROW_BLOCK];
  for (int64_t from = h->from - ROW_BLOCK;;) {
    while (next == n_kept && from + ROW_BLOCK < h->to) { /* the next rows that have this edge */
      from += ROW_BLOCK;
      int n = h->to - from < ROW_BLOCK ? (int)(h->to - from) : ROW_BLOCK;
      if (k == l) memcpy(edge, left->degree + (from - h->span), n * sizeof(float));
      else edge_weights(h, k, l, from, n, edge);
      n_kept = next = 0;
      for (int i = 0; i < n; i++) {
        kept[n_kept] = i;
        n_kept += edge[i] != 0.0f;
      }
    }
    if (next < n_kept) {
      left_rows[depth] = packed_row(h, left, from + kept[next]);
      right_rows[depth] = packed_row(h, right, from + kept[next]);
      weight[depth++] = k == l ? edge[kept[next]] : -edge[kept[next]];
      next++;
      if (depth < DEPTH) continue;
    }
    if (depth == 0) break;
    add_rows(depth, weight, left_rows, right_rows, tall, wide, symmetric, strips, inked, block, n_pairs);
    depth = 0;
  }
  free(strips);
  return 0;
}

/* Complete block (k, l): what was left out as symmetric, and its mirror image. */
static void mirror_block(hessian_t *h, int k, int l) {
  int64_t tall = h->classes[k].width, wide = h->classes[l].width, n_pairs = h->n_pairs;
  float *block = h->hessian + h->first[k] * n_pairs + h->first[l];
  float *mirror = h->hessian + h->first[l] * n_pairs + h->first[k];
  if (k != l && same_features(h, k, l))
    for (int64_t a = 0; a < tall; a++)
      for (int64_t b = 0; b < a; b++) block[b * n_pairs + a] = block[a * n_pairs + b];
  for (int64_t a = 0; a < tall; a++)
    for (int64_t b = 0; b < (k == l ? a : wide); b++) mirror[b * n_pairs + a] = block[a * n_pairs + b];
}

static void add_blocks(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  for (;;) {
    int64_t at = __atomic_fetch_add(&h->next_block, 1, __ATOMIC_RELAXED);
    if (at >= h->n_blocks) return;
    int k = (int)(h->order[at] / h->n_classes), l = (int)(h->order[at] % h->n_classes);
    if (add_block(h, k, l)) h->failed = 1;
    if (h->to == h->n_rows) mirror_block(h, k, l);
  }
}

/* Hessian of sum_i c_i logsumexp(z_i) over pairs, exact where every edge weighs at least `light`. Rows are taken as many
 * at a time as fit PACKED_BYTES. Returns 0, or 1 without memory. */
int EXPORT(pair_hessian)(hessian_t *h) {
  int32_t K = h->n_classes;
  int64_t n_blocks = (int64_t)K * (K + 1) / 2, width = 0;
  h->classes = calloc(K, sizeof(class_t));
  h->order = malloc(n_blocks * sizeof(int64_t));
  h->n_blocks = 0;
  h->failed = !h->classes || !h->order;
  for (int k = 0; k < K && !h->failed; k++) {
    h->classes[k].width = h->first[k + 1] - h->first[k];
    h->classes[k].stride = (h->classes[k].width + WHOLE - 1) / WHOLE * WHOLE;
    width += h->classes[k].stride;
    h->order[h->n_blocks++] = (int64_t)k * K + k; /* diagonal blocks are the heavy ones */
  }
  int64_t span = h->n_rows < SPAN ? h->n_rows : SPAN, capacity = PACKED_BYTES / sizeof(float);
  if (capacity < ROW_BLOCK * width) capacity = ROW_BLOCK * width;
  if (capacity > span * width) capacity = span * width;
  float *packed = NULL;
  h->failed = h->failed || posix_memalign((void **)&packed, 64, (capacity + 1) * sizeof(float));
  for (int k = 0; k < K && !h->failed; k++) {
    class_t *class = h->classes + k;
    class->place = malloc((span + 1) * sizeof(int32_t));
    class->degree = malloc((span + 1) * sizeof(float));
    h->failed = !class->place || !class->degree;
    for (int l = 0; l < k; l++) h->order[h->n_blocks++] = (int64_t)k * K + l;
  }
  for (h->to = 0; h->to < h->n_rows && !h->failed;) {
    if (h->to == h->span_end) {
      h->span = h->to;
      h->span_end = h->to + span < h->n_rows ? h->to + span : h->n_rows;
      h->next_class = 0;
      parallel(sum_edges, h, h->n_threads);
    }
    take_rows(h, packed, capacity);
    h->next_block = h->next_row_block = 0;
    parallel(pack_rows, h, h->n_threads);
    if (!h->failed) parallel(add_blocks, h, h->n_threads);
  }
  free(packed);
  for (int k = 0; k < K && h->classes; k++) {
    free(h->classes[k].place);
    free(h->classes[k].degree);
  }
  free(h->classes);
  free(h->order);
  return h->failed;
}

/* ---- descent on the quadratic: matrices in float, vectors in double --------------------------------------------- */

static inline void add_multiple(int64_t n, double factor, const float *restrict row, double *restrict out) {
  for (int64_t m = 0; m < n; m++) out[m] += factor * row[m];
}

/* Some coordinates, descended on among themselves while their part of H lies in cache; H is read once for all of it. */
enum { BLOCK = 160, PASSES = 10, AT_ONCE = 8, WORTH_A_THREAD = 400000 };
typedef struct {
  int64_t at[BLOCK];            /* the coordinates */
  int n;
  float part[BLOCK][BLOCK];     /* H among them */
  double slope[BLOCK], before[BLOCK];
} block_t;

static void load_block(block_t *b, int64_t s, const float *H, const double *gradient, const double *w) {
  for (int i = 0; i < b->n; i++) {
    const float *row = H + b->at[i] * s;
    for (int j = 0; j < b->n; j++) b->part[i][j] = row[b->at[j]];
    b->slope[i] = gradient[b->at[i]];
    b->before[i] = w[b->at[i]];
  }
}

typedef struct {
  int64_t s;
  const float *row[BLOCK];
  float step[BLOCK];
  int n, n_threads;
  double *gradient;
} follow_t;

/* One thread's stretch of gradient += sum of step * row, AT_ONCE rows at a time. */
static void follow_rows(void *task, int thread) {
  const follow_t *f = task;
  int64_t from = f->s * thread / f->n_threads, to = f->s * (thread + 1) / f->n_threads;
  for (int first = 0; first < f->n; first += AT_ONCE) {
    const float *const *row = f->row + first, *step = f->step + first;
    for (int64_t m = from; m < to; m++) {
      float sum = 0.0f;
#pragma GCC unroll 8
      for (int r = 0; r < AT_ONCE; r++) sum += step[r] * row[r][m];
      f->gradient[m] += (double)sum;
    }
  }
}

/* gradient += H (w - before), over the rows of the coordinates that moved. */
static void follow_block(const block_t *b, int64_t s, const float *H, const double *w, double *gradient,
                         int64_t n_threads) {
  follow_t f = {.s = s, .gradient = gradient};
  for (int i = 0; i < b->n; i++) {
    double moved = w[b->at[i]] - b->before[i];
    if (moved != 0.0) f.row[f.n] = H + b->at[i] * s, f.step[f.n++] = (float)moved;
  }
  if (f.n == 0) return;
  f.n_threads = f.n * s > WORTH_A_THREAD ? (int)n_threads : 1;
  for (; f.n % AT_ONCE; f.n++) f.row[f.n] = f.row[0], f.step[f.n] = 0.0f;
  parallel(follow_rows, &f, f.n_threads);
}

/* Coordinate descent on g'(v - w) + (v - w)' H (v - w) / 2 + sum_j l1_j |v_j| + l2_j v_j^2 / 2 (Friedman et al. 2010,
 * section 2.2), by blocks.
 *
 * `gradient` is g at w on entry and is kept up with w. Sweeps until no coordinate moved its own slope by more than
 * tolerance * l1 when its block was taken up. Returns the sweeps, or -1 without memory. */
int EXPORT(gram_descent)(int64_t s, const float *H, double *gradient, double *w, const double *l1, const double *l2,
                         double tolerance, int64_t max_sweeps, int64_t n_threads) {
  int sweep = 0;
  block_t *b = malloc(sizeof(block_t));
  if (!b) return -1;
  for (double largest = INFINITY; sweep < max_sweeps && largest > tolerance; sweep++) {
    largest = 0.0;
    for (int64_t j = 0; j < s;) {
      for (b->n = 0; j < s && b->n < BLOCK; j++)
        if ((w[j] != 0.0 || fabs(gradient[j]) > l1[j]) && H[j * s + j] + l2[j] > 0.0) b->at[b->n++] = j;
      load_block(b, s, H, gradient, w);
      double most = INFINITY;
      for (int pass = 0; pass < PASSES && most > 0.3 * tolerance; pass++) {
        most = 0.0;
        for (int i = 0; i < b->n; i++) {
          int64_t at = b->at[i];
          double own = b->part[i][i], curvature = own + l2[at], target = own * w[at] - b->slope[i];
          double next = target > l1[at] ? (target - l1[at]) / curvature
                        : target < -l1[at] ? (target + l1[at]) / curvature : 0.0;
          double step = next - w[at];
          if (step == 0.0) continue;
          w[at] = next;
          most = fmax(most, fabs(step) * curvature / l1[at]);
          add_multiple(b->n, step, b->part[i], b->slope);
        }
        if (pass == 0) largest = fmax(largest, most);
      }
      follow_block(b, s, H, w, gradient, n_threads);
    }
  }
  free(b);
  return sweep;
}

/* The same for sum_j group_j |v_j| + l2_j |v_j|^2 / 2, where group j holds coordinates j, j + q, j + 2q, ... of s = K q,
 * one per class; groups of infinite `group` stay. Each group is minimised by proximal gradient steps with its own
 * curvature. K is at most BLOCK. Returns the sweeps, or -1 without memory. */
int EXPORT(group_descent)(int64_t q, int64_t K, const float *H, double *gradient, double *w, const double *group,
                          const double *l2, double tolerance, int64_t max_sweeps, int64_t n_threads) {
  int64_t s = K * q;
  int sweep = 0;
  block_t *b = malloc(sizeof(block_t) + 2 * K * sizeof(double));
  if (!b) return -1;
  double *slope = (double *)(b + 1), *next = slope + K;
  for (double largest = INFINITY; sweep < max_sweeps && largest > tolerance; sweep++) {
    largest = 0.0;
    for (int64_t j = 0; j < q;) {
      for (b->n = 0; j < q && b->n + K <= BLOCK; j++) {
        double norm = 0.0, pull = 0.0;
        for (int64_t at = j; at < s; at += q) norm += w[at] * w[at], pull += gradient[at] * gradient[at];
        if (isinf(group[j]) || (norm == 0.0 && pull <= group[j] * group[j])) continue;
        for (int64_t at = j; at < s; at += q) b->at[b->n++] = at;
      }
      load_block(b, s, H, gradient, w);
      double most = INFINITY;
      for (int pass = 0; pass < PASSES && most > 0.3 * tolerance; pass++) {
        most = 0.0;
        for (int first = 0; first < b->n; first += K) {
          int64_t feature = b->at[first];
          double curvature = 0.0, threshold = group[feature], ridge = l2[feature];
          for (int k = 0; k < K; k++) {
            double row_sum = 0.0;
            for (int l = 0; l < K; l++) row_sum += fabs((double)b->part[first + k][first + l]);
            curvature = fmax(curvature, row_sum);
            slope[k] = b->slope[first + k];
          }
          curvature += ridge;
          if (!(curvature > 0.0)) continue;
          double start[K];
          for (int k = 0; k < K; k++) start[k] = w[b->at[first + k]];
          for (int inner = 0; inner < 20; inner++) {
            double length = 0.0, change = 0.0;
            for (int k = 0; k < K; k++) {
              double u = w[b->at[first + k]];
              next[k] = u - (slope[k] + ridge * u) / curvature;
              length += next[k] * next[k];
            }
            length = sqrt(length);
            double shrink = length > 0.0 ? fmax(0.0, 1.0 - threshold / (curvature * length)) : 0.0;
            for (int k = 0; k < K; k++) {
              double *u = w + b->at[first + k], step = shrink * next[k] - *u;
              change = fmax(change, fabs(step));
              *u += step;
              next[k] = step;
            }
            for (int k = 0; k < K; k++)
              for (int l = 0; l < K; l++) slope[k] += b->part[first + k][first + l] * next[l];
            if (inner == 0) most = fmax(most, change * curvature / threshold);
            if (change * curvature <= 0.1 * tolerance * threshold) break;
          }
          for (int k = 0; k < K; k++) {
            double step = w[b->at[first + k]] - start[k];
            if (step != 0.0) add_multiple(b->n, step, b->part[first + k], b->slope);
          }
        }
        if (pass == 0) largest = fmax(largest, most);
      }
      follow_block(b, s, H, w, gradient, n_threads);
    }
  }
  free(b);
  return sweep;
}

/* ---- dense algebra on threads that sleep when they wait ---------------------------------------------------------- */

enum { COLUMN_PANEL = 96 }; /* rows of a Cholesky panel: a multiple of WIDE on every instruction set */

typedef struct {
  int64_t s, m, stride;
  const float *H;
  const double *left, *right, *x;
  double *y;
  float *out;
  const int64_t *active;
  const double *ridge;
  int64_t from, columns, n_threads, next;
} algebra_t;

static void multiply_share(void *task, int thread) {
  algebra_t *t = task;
  int64_t from = t->s * thread / t->n_threads, to = t->s * (thread + 1) / t->n_threads;
  memset(t->y + from, 0, (to - from) * sizeof(double));
  for (int64_t j = 0; j < t->s; j++)
    if (t->x[j] != 0.0) add_multiple(to - from, t->x[j], t->H + j * t->s + from, t->y + from);
}

/* y = H x for symmetric H. */
int EXPORT(symmetric_product)(int64_t s, const float *H, const double *x, double *y, int64_t n_threads) {
  algebra_t task = {.s = s, .H = H, .x = x, .y = y, .n_threads = n_threads};
  parallel(multiply_share, &task, (int)n_threads);
  return 0;
}

static void subtract_share(void *task, int thread) {
  algebra_t *t = task;
  for (int64_t i = t->s * thread / t->n_threads; i < t->s * (thread + 1) / t->n_threads; i++)
    for (int64_t k = 0; k < t->columns; k++) {
      float factor = -(float)t->left[i * t->columns + k];
      float *restrict row = t->out + i * t->s;
      const double *restrict right = t->right + k * t->s;
      for (int64_t j = 0; j < t->s; j++) row[j] += factor * (float)right[j];
    }
}

/* H -= left right for left (s, columns), right (columns, s). */
int EXPORT(subtract_product)(int64_t s, int64_t columns, float *H, const double *left, const double *right,
                             int64_t n_threads) {
  algebra_t task = {.s = s, .columns = columns, .out = H, .left = left, .right = right, .n_threads = n_threads};
  parallel(subtract_share, &task, (int)n_threads);
  return 0;
}

static void gather_share(void *task, int thread) {
  algebra_t *t = task;
  for (int64_t a = thread; a < t->m; a += t->n_threads) {
    const float *row = t->H + t->active[a] * t->s;
    float *out = t->out + a * t->stride;
    for (int64_t b = a; b < t->m; b++) out[b] = row[t->active[b]];
    for (int64_t b = t->m; b < t->stride; b++) out[b] = 0.0f;
    out[a] += (float)t->ridge[a];
  }
}

/* Columns right of a factored panel: divide the panel's rows by its triangle, then take its square off what is below. */
static void panel_share(void *task, int thread) {
  algebra_t *t = task;
  int64_t height = t->m - t->from < COLUMN_PANEL ? t->m - t->from : COLUMN_PANEL, right = t->from + height;
  int64_t strips = (t->stride - right + WIDE - 1) / WIDE;
  for (int64_t strip = thread; strip < strips; strip += t->n_threads) {
    int64_t side = right + strip * WIDE, width = t->stride - side < WIDE ? t->stride - side : WIDE;
    for (int64_t r = 0; r < height; r++) {
      float *row = t->out + (t->from + r) * t->stride;
      for (int64_t q = 0; q < r; q++) {
        const float *above = t->out + (t->from + q) * t->stride;
        float factor = above[t->from + r];
        for (int64_t j = side; j < side + width; j++) row[j] -= factor * above[j];
      }
      float inverse = 1.0f / row[t->from + r];
      for (int64_t j = side; j < side + width; j++) row[j] *= inverse;
    }
  }
}

static void trailing_share(void *task, int thread) {
  algebra_t *t = task;
  (void)thread;
  int64_t right = t->from + COLUMN_PANEL; /* a full panel: there are rows below it */
  const float *rows[COLUMN_PANEL];
  float left[COLUMN_PANEL * TALL];
  mask_t all = {0};
  for (int r = 0; r < COLUMN_PANEL; r++) all[r / 64] |= (uint64_t)1 << r % 64;
  for (int r = 0; r < COLUMN_PANEL; r++) rows[r] = t->out + (t->from + r) * t->stride;
  for (;;) {
    int64_t top = right + __atomic_fetch_add(&t->next, 1, __ATOMIC_RELAXED) * TALL;
    if (top >= t->m) return;
    int tall = t->m - top < TALL ? (int)(t->m - top) : TALL;
    for (int r = 0; r < COLUMN_PANEL; r++)
      for (int j = 0; j < TALL; j++) left[r * TALL + j] = j < tall ? -rows[r][top + j] : 0.0f;
    for (int64_t side = right + (top - right) / WIDE * WIDE; side < t->stride; side += WIDE)
      add_tile(all, all, left, rows, side, t->out + top * t->stride + side, t->stride, tall,
               t->stride - side < WIDE ? (int)(t->stride - side) : WIDE, 3);
  }
}

/* Upper triangle of a panel's own block; returns 1 where it is not positive definite. */
static int factor_block(float *A, int64_t stride, int64_t from, int64_t height) {
  for (int64_t r = from; r < from + height; r++) {
    float *row = A + r * stride;
    if (!(row[r] > 0.0f)) return 1;
    float inverse = 1.0f / sqrtf(row[r]);
    for (int64_t j = r; j < from + height; j++) row[j] *= inverse;
    for (int64_t i = r + 1; i < from + height; i++)
      for (int64_t j = i; j < from + height; j++) A[i * stride + j] -= row[i] * row[j];
  }
  return 0;
}

/* Numbers that the factor of a face of m coordinates takes. */
int64_t EXPORT(factor_size)(int64_t m) { return m * ((m + WIDE - 1) / WIDE * WIDE) + WIDE; }

/* Write the Cholesky factor U'U of H[active][:, active] + diag(ridge) - bend into A, factor_size(m) numbers that start on
 * a cache line. `bend` (m / q, m / q, q), or NULL, is taken off entries (k q + j, l q + j). Returns 1 where rounding made
 * the matrix indefinite. */
int EXPORT(factor_face)(int64_t s, const float *H, int64_t m, const int64_t *active, const double *ridge,
                        const double *bend, int64_t q, float *A, int64_t n_threads) {
  int64_t stride = (m + WIDE - 1) / WIDE * WIDE;
  algebra_t task = {.s = s, .m = m, .stride = stride, .H = H, .out = A, .active = active, .ridge = ridge,
                    .n_threads = n_threads};
  parallel(gather_share, &task, (int)n_threads);
  for (int64_t k = 0; bend && k < m / q; k++)
    for (int64_t l = k; l < m / q; l++)
      for (int64_t j = 0; j < q; j++) A[(k * q + j) * stride + l * q + j] -= (float)bend[(k * (m / q) + l) * q + j];
  for (int64_t from = 0; from < m; from += COLUMN_PANEL) {
    int64_t height = m - from < COLUMN_PANEL ? m - from : COLUMN_PANEL, below = m - from - height;
    if (factor_block(A, stride, from, height)) return 1;
    if (below == 0) continue;
    task.from = from;
    task.next = 0;
    task.n_threads = below < 2 * COLUMN_PANEL ? 1 : n_threads;
    parallel(panel_share, &task, (int)task.n_threads);
    parallel(trailing_share, &task, (int)task.n_threads);
  }
  return 0;
}

/* Solve U'U y = x in place. */
int EXPORT(solve_factored)(int64_t m, const float *A, double *x) {
  int64_t stride = (m + WIDE - 1) / WIDE * WIDE;
  for (int64_t r = 0; r < m; r++) { /* U' y = x */
    const float *row = A + r * stride;
    x[r] /= row[r];
    for (int64_t j = r + 1; j < m; j++) x[j] -= x[r] * row[j];
  }
  for (int64_t r = m - 1; r >= 0; r--) { /* U x = y */
    const float *row = A + r * stride;
    double partial[8] = {0}, sum = 0.0;
    int64_t j = r + 1;
    for (; j + 8 <= m; j += 8)
      for (int lane = 0; lane < 8; lane++) partial[lane] += row[j + lane] * x[j + lane];
    for (; j < m; j++) sum += row[j] * x[j];
    for (int lane = 0; lane < 8; lane++) sum += partial[lane];
    x[r] = (x[r] - sum) / row[r];
  }
  return 0;
}

static void solve_many_share(void *task, int thread) {
  algebra_t *t = task;
  for (int64_t group = thread; group < t->columns; group += t->n_threads) {
    lanes_t *x = (lanes_t *)t->out + group * t->m;
    for (int64_t r = 0; r < t->m; r++) { /* U' y = x */
      const float *row = t->H + r * t->stride;
      lanes_t own = x[r] = x[r] / row[r];
      for (int64_t j = r + 1; j < t->m; j++) x[j] -= row[j] * own;
    }
    for (int64_t r = t->m - 1; r >= 0; r--) { /* U x = y */
      const float *row = t->H + r * t->stride;
      lanes_t sum[4] = {{0}};
      int64_t j = r + 1;
      for (; j + 4 <= t->m; j += 4)
        for (int q = 0; q < 4; q++) sum[q] += row[j + q] * x[j + q];
      for (; j < t->m; j++) sum[0] += row[j] * x[j];
      x[r] = (x[r] - ((sum[0] + sum[1]) + (sum[2] + sum[3]))) / row[r];
    }
  }
}

/* Vectors that `solve_many` takes at a time. */
int64_t EXPORT(solve_lanes)(void) { return LANES; }

/* Solve U'U Y = X in place for many right-hand sides, solve_lanes() at a time: X (groups, m, lanes), on cache lines. */
int EXPORT(solve_many)(int64_t m, const float *A, int64_t groups, float *X, int64_t n_threads) {
  algebra_t task = {.m = m, .stride = (m + WIDE - 1) / WIDE * WIDE, .H = A, .out = X, .columns = groups,
                    .n_threads = n_threads};
  parallel(solve_many_share, &task, (int)n_threads);
  return 0;
}
