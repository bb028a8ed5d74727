/* The Hessian of a proximal Newton step over (feature, class) pairs.
 *
 * A row's softmax Hessian diag(p) - p p' is the Laplacian of the complete graph over the classes with edge weights
 * p_k p_l. So the Hessian over pairs is a sum over edges (k, l) of X_k' diag(c p_k p_l) X_l, and most edges of a
 * confident row weigh next to nothing. Edges lighter than `sampling_threshold` are kept with probability weight /
 * threshold and then weigh the threshold: unbiased, and still a Laplacian, so the Hessian stays positive semi-definite.
 */
#include <stdlib.h>
#include <string.h>

#include "tiles.h"

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
  pair_job_t job;
  class_t *classes;
  int64_t *order;         /* blocks, heavy ones first */
  int64_t span, span_end; /* rows whose edges are summed at a time */
  int64_t from, to;       /* of these, the rows at hand */
  int64_t n_blocks, next_class, next_row_block, next_block;
  double end;             /* of the time for it */
  int32_t failed;         /* DONE, NO_MEMORY or OUT_OF_TIME */
} hessian_t;

/* Whether the time is over, which all threads are told. */
static inline int is_late(hessian_t *h) {
  if (!is_over(h->end)) return 0;
  h->failed = OUT_OF_TIME;
  return 1;
}

/* A number in [0, 1) from row, edge and seed: the same on every thread and machine (murmur3's finaliser). */
static inline float chance(uint32_t row, uint32_t edge, uint32_t seed) {
  uint32_t h = row * 0x9e3779b1u ^ edge * 0x85ebca77u ^ seed;
  h ^= h >> 16; h *= 0x85ebca6bu; h ^= h >> 13; h *= 0xc2b2ae35u; h ^= h >> 16;
  return (float)(int32_t)(h >> 8) * 0x1p-24f;
}

/* Weights with which the edges (k, l) of rows from .. from + n - 1 enter; 0 drops one. */
static void edge_weights(const hessian_t *h, int k, int l, int64_t from, int n, float *restrict out) {
  const float *restrict pk = h->job.proba + k * h->job.n_rows + from, *restrict pl = h->job.proba + l * h->job.n_rows + from;
  const float *restrict weights = h->job.weights + from;
  uint32_t edge = (uint32_t)(k > l ? k * h->job.n_classes + l : l * h->job.n_classes + k), seed = h->job.seed;
  float threshold = h->job.sampling_threshold;
  for (int i = 0; i < n; i++) {
    float weight = weights[i] * pk[i] * pl[i];
    float sampled = weight > threshold * chance((uint32_t)from + (uint32_t)i, edge, seed) ? threshold : 0.0f;
    out[i] = weight >= threshold ? weight : sampled;
  }
}

/* First phase, by blocks of a span's rows: the sums of the edges at all classes, each edge looked at once. */
static void sum_edges(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  float edge[ROW_BLOCK];
  for (;;) {
    int64_t from = h->span + __atomic_fetch_add(&h->next_row_block, 1, __ATOMIC_RELAXED) * ROW_BLOCK;
    if (from >= h->span_end || is_late(h)) return;
    int n = h->span_end - from < ROW_BLOCK ? (int)(h->span_end - from) : ROW_BLOCK;
    for (int k = 0; k < h->job.n_classes; k++) {
      float *restrict own = h->classes[k].degree + (from - h->span);
      memset(own, 0, n * sizeof(float));
      for (int l = 0; l < k; l++) {
        if (h->classes[k].width == 0 && h->classes[l].width == 0) continue;
        float *restrict other = h->classes[l].degree + (from - h->span);
        edge_weights(h, k, l, from, n, edge);
        for (int i = 0; i < n; i++) own[i] += edge[i];
        for (int i = 0; i < n; i++) other[i] += edge[i];
      }
    }
  }
}

/* Then, by classes: the rows that have an edge there. */
static void place_rows(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  for (;;) {
    int64_t k = __atomic_fetch_add(&h->next_class, 1, __ATOMIC_RELAXED);
    if (k >= h->job.n_classes) return;
    class_t *class = h->classes + k;
    if (class->width == 0) continue;
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
  const rows_t *rows = h->job.rows;
  if (rows->layout >= CSR16) {
    memset(out, 0, h->job.n_slots * sizeof(float));
    for (int64_t at = rows->indptr[i]; at < rows->indptr[i + 1]; at++)
      out[h->job.slot[column_at(rows, at)]] = h->job.scale * value_at(rows, at);
  } else {
    for (int64_t j = 0; j < rows->n_features; j++) out[h->job.slot[j]] = h->job.scale * value_at(rows, i * rows->row_stride + j);
  }
}

/* Move on by as many rows as fit `capacity` floats once packed, a block of rows at least. */
static void take_rows(hessian_t *h, float *packed, int64_t capacity) {
  int64_t size = 0;
  for (int k = 0; k < h->job.n_classes; k++) {
    h->classes[k].before += h->classes[k].kept;
    h->classes[k].kept = 0;
  }
  for (h->from = h->to; h->to < h->span_end; h->to += ROW_BLOCK) {
    int64_t last = h->to + ROW_BLOCK < h->span_end ? h->to + ROW_BLOCK : h->span_end, more = 0;
    int32_t kept[h->job.n_classes];
    for (int k = 0; k < h->job.n_classes; k++) {
      kept[k] = 0;
      if (h->classes[k].width == 0) continue;
      for (int64_t i = h->to; i < last; i++) kept[k] += h->classes[k].place[i - h->span] >= 0;
      more += kept[k] * h->classes[k].stride;
    }
    if (size + more > capacity && h->to > h->from) break;
    for (int k = 0; k < h->job.n_classes; k++) h->classes[k].kept += kept[k];
    size += more;
  }
  if (h->to > h->span_end) h->to = h->span_end;
  for (int k = 0; k < h->job.n_classes; k++) {
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
  float *row = malloc((h->job.n_slots + 1) * sizeof(float));
  if (!row) { h->failed = NO_MEMORY; return; }
  for (;;) {
    int64_t from = h->from + __atomic_fetch_add(&h->next_row_block, 1, __ATOMIC_RELAXED) * ROW_BLOCK;
    if (from >= h->to || is_late(h)) break;
    int64_t to = from + ROW_BLOCK < h->to ? from + ROW_BLOCK : h->to;
    for (int64_t i = from; i < to; i++) {
      expand(h, h->job.chosen[i], row);
      row[h->job.n_slots] = 1.0f;
      for (int k = 0; k < h->job.n_classes; k++) {
        const class_t *class = h->classes + k;
        if (class->width == 0 || class->place[i - h->span] < 0) continue;
        const int32_t *feature = h->job.feature + h->job.first[k];
        float *out = packed_row(h, class, i);
        for (int64_t j = 0; j < class->width; j++) out[j] = row[feature[j]];
        for (int64_t j = class->width; j < class->stride; j++) out[j] = 0.0f;
      }
    }
  }
  free(row);
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
static void add_rows(hessian_t *h, int depth, const float *weight, const float **left_rows, const float **right_rows,
                     int64_t tall, int64_t wide, int symmetric, float *strips, mask_t *inked, float *block,
                     int64_t stride) {
  for (int64_t top = 0; top < tall; top += TALL) {
    float *strip = strips + top * DEPTH;
    memset(inked[top / TALL], 0, sizeof(mask_t));
    for (int r = 0; r < depth; r++) {
      if (!any_not_zero(left_rows[r] + top, TALL)) continue;
      inked[top / TALL][r / 64] |= (uint64_t)1 << r % 64;
      for (int j = 0; j < TALL; j++) strip[r * TALL + j] = weight[r] * left_rows[r][top + j];
    }
  }
  for (int64_t side = 0; side < wide && !is_late(h); side += WIDE) {
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
         !memcmp(h->job.feature + h->job.first[k], h->job.feature + h->job.first[l], width * sizeof(int32_t));
}

/* Block (k, l) of the Hessian, l <= k: +X_k' diag(degree_k) X_k on the diagonal, -X_k' diag(edge) X_l off it. */
static int add_block(hessian_t *h, int k, int l) {
  const class_t *left = h->classes + k, *right = h->classes + l;
  int64_t tall = left->width, wide = right->width, n_pairs = h->job.n_pairs;
  if (tall == 0 || wide == 0) return 0;
  int symmetric = same_features(h, k, l);
  float *strips = malloc(left->stride * (DEPTH * sizeof(float) + sizeof(mask_t))), edge[ROW_BLOCK], weight[DEPTH];
  if (!strips) return 1;
  mask_t *inked = (mask_t *)(strips + left->stride * DEPTH);
  const float *left_rows[DEPTH], *right_rows[DEPTH];
  float *block = h->job.hessian + h->job.first[k] * n_pairs + h->job.first[l];
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
    if (is_late(h)) break;
    add_rows(h, depth, weight, left_rows, right_rows, tall, wide, symmetric, strips, inked, block, n_pairs);
    depth = 0;
  }
  free(strips);
  return 0;
}

/* Complete block (k, l): what was left out as symmetric, and its mirror image. */
static void mirror_block(hessian_t *h, int k, int l) {
  int64_t tall = h->classes[k].width, wide = h->classes[l].width, n_pairs = h->job.n_pairs;
  float *block = h->job.hessian + h->job.first[k] * n_pairs + h->job.first[l];
  float *mirror = h->job.hessian + h->job.first[l] * n_pairs + h->job.first[k];
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
    if (at >= h->n_blocks || is_late(h)) return;
    int k = (int)(h->order[at] / h->job.n_classes), l = (int)(h->order[at] % h->job.n_classes);
    if (add_block(h, k, l)) h->failed = NO_MEMORY;
    if (h->to == h->job.n_rows) mirror_block(h, k, l);
  }
}

/* Hessian of sum_i c_i logsumexp(z_i) over pairs, exact where every edge weighs at least `sampling_threshold`. Rows
 * are taken as many at a time as fit PACKED_BYTES. Returns DONE, NO_MEMORY or OUT_OF_TIME. */
int64_t EXPORT(pair_hessian)(const pair_job_t *job) {
  hessian_t own = {.job = *job, .end = end_after(job->seconds)}, *h = &own;
  int32_t K = h->job.n_classes;
  int64_t n_blocks = (int64_t)K * (K + 1) / 2, width = 0;
  h->classes = calloc(K, sizeof(class_t));
  h->order = malloc(n_blocks * sizeof(int64_t));
  h->n_blocks = 0;
  h->failed = !h->classes || !h->order;
  for (int k = 0; k < K && !h->failed; k++) {
    h->classes[k].width = h->job.first[k + 1] - h->job.first[k];
    h->classes[k].stride = (h->classes[k].width + WHOLE - 1) / WHOLE * WHOLE;
    width += h->classes[k].stride;
    h->order[h->n_blocks++] = (int64_t)k * K + k; /* diagonal blocks are the heavy ones */
  }
  int64_t span = h->job.n_rows < SPAN ? h->job.n_rows : SPAN, capacity = PACKED_BYTES / sizeof(float);
  if (capacity < ROW_BLOCK * width) capacity = ROW_BLOCK * width;
  if (capacity > span * width) capacity = span * width;
  float *packed = h->failed ? NULL : aligned_new((capacity + 1) * sizeof(float));
  h->failed = h->failed || !packed;
  for (int k = 0; k < K && !h->failed; k++) {
    class_t *class = h->classes + k;
    class->place = malloc((span + 1) * sizeof(int32_t));
    class->degree = malloc((span + 1) * sizeof(float));
    h->failed = !class->place || !class->degree;
    for (int l = 0; l < k; l++) h->order[h->n_blocks++] = (int64_t)k * K + l;
  }
  for (h->to = 0; h->to < h->job.n_rows && !h->failed;) {
    if (h->to == h->span_end) {
      h->span = h->to;
      h->span_end = h->to + span < h->job.n_rows ? h->to + span : h->job.n_rows;
      h->next_class = h->next_row_block = 0;
      parallel(sum_edges, h, h->job.n_threads);
      if (!h->failed) parallel(place_rows, h, h->job.n_threads);
      if (h->failed) break;
    }
    take_rows(h, packed, capacity);
    h->next_block = h->next_row_block = 0;
    parallel(pack_rows, h, h->job.n_threads);
    if (!h->failed) parallel(add_blocks, h, h->job.n_threads);
  }
  if (packed) aligned_free(packed);
  for (int k = 0; k < K && h->classes; k++) {
    free(h->classes[k].place);
    free(h->classes[k].degree);
  }
  free(h->classes);
  free(h->order);
  return h->failed;
}
