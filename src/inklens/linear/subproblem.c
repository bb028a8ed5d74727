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
/* A tile of sums that fits the registers: TALL x WIDE, WIDE = 3 vectors. */
#if defined(__AVX512F__) || defined(__aarch64__)
enum { TALL = 8 };
#else
enum { TALL = 4 };
#endif
enum { WIDE = 3 * LANES, DEPTH = 128 };

typedef struct {
  const rows_t *rows;
  int64_t n_rows, n_pairs;
  int32_t n_classes, n_threads;
  const int64_t *chosen;  /* (n_rows): the rows that enter */
  const int64_t *first;   /* (n_classes + 1): the pairs of class k are first[k] .. first[k+1] - 1 */
  const int32_t *feature; /* (n_pairs): column of each pair; n_features stands for a column of ones */
  const float *proba;     /* (n_rows, n_classes) */
  const float *weights;   /* (n_rows) */
  float scale, light;     /* the matrix meant is rows * scale */
  uint32_t seed;
  float *hessian;         /* (n_pairs, n_pairs): added to */
  /* filled here */
  float **packed;         /* per class: (n_rows, its pairs), only those columns */
  float *degree;          /* (n_classes, n_rows): sum of the edges kept at class k */
  int64_t *order;         /* blocks, largest first */
  int64_t n_blocks, next_row_block, next_block;
  int32_t failed;
} hessian_t;

/* A number in [0, 1) from row, edge and seed: the same on every thread and machine (murmur3's finaliser). */
static inline float chance(uint32_t row, uint32_t edge, uint32_t seed) {
  uint32_t h = row * 0x9e3779b1u ^ edge * 0x85ebca77u ^ seed;
  h ^= h >> 16; h *= 0x85ebca6bu; h ^= h >> 13; h *= 0xc2b2ae35u; h ^= h >> 16;
  return (float)(h >> 8) * 0x1p-24f;
}

/* Weight with which the edge (k, l) of row i enters; 0 drops it. */
static inline float edge_weight(const hessian_t *h, int64_t i, int k, int l) {
  const float *p = h->proba + i * h->n_classes;
  float weight = h->weights[i] * p[k] * p[l];
  if (weight >= h->light) return weight;
  return weight > h->light * chance((uint32_t)i, (uint32_t)(k * h->n_classes + l), h->seed) ? h->light : 0.0f;
}

enum { ROW_BLOCK = 256 };

static inline float value_at(const rows_t *rows, int64_t at) {
  if (rows->value_type == U8) return (float)((const uint8_t *)rows->values)[at];
  if (rows->value_type == F32) return ((const float *)rows->values)[at];
  return (float)((const double *)rows->values)[at];
}

static inline int64_t column_at(const rows_t *rows, int64_t at) {
  return rows->layout == CSR16 ? ((const uint16_t *)rows->indices)[at] : ((const int32_t *)rows->indices)[at];
}

/* Write row i, times scale, into the zeroed `out` (n_features). */
static void expand(const rows_t *rows, int64_t i, float scale, float *out) {
  if (rows->layout >= CSR16) {
    for (int64_t at = rows->indptr[i]; at < rows->indptr[i + 1]; at++)
      out[column_at(rows, at)] = scale * value_at(rows, at);
  } else {
    for (int64_t j = 0; j < rows->n_features; j++) out[j] = scale * value_at(rows, i * rows->row_stride + j);
  }
}

/* First phase, by blocks of rows: edge sums per class, and each class's own columns side by side. */
static void prepare(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  int64_t n_features = h->rows->n_features;
  float *row = calloc(n_features + 1, sizeof(float));
  if (!row) { h->failed = 1; return; }
  for (;;) {
    int64_t from = __atomic_fetch_add(&h->next_row_block, 1, __ATOMIC_RELAXED) * ROW_BLOCK;
    if (from >= h->n_rows) break;
    int64_t to = from + ROW_BLOCK < h->n_rows ? from + ROW_BLOCK : h->n_rows;
    for (int k = 0; k < h->n_classes; k++)
      for (int l = 0; l < k; l++)
        for (int64_t i = from; i < to; i++) {
          float weight = edge_weight(h, i, k, l);
          h->degree[k * h->n_rows + i] += weight;
          h->degree[l * h->n_rows + i] += weight;
        }
    for (int64_t i = from; i < to; i++) {
      if (h->rows->layout >= CSR16) memset(row, 0, n_features * sizeof(float));
      expand(h->rows, h->chosen[i], h->scale, row);
      row[n_features] = 1.0f;
      for (int k = 0; k < h->n_classes; k++) {
        int64_t width = h->first[k + 1] - h->first[k];
        const int32_t *feature = h->feature + h->first[k];
        float *out = h->packed[k] + i * width;
        for (int64_t j = 0; j < width; j++) out[j] = row[feature[j]];
      }
    }
  }
  free(row);
}

/* out (TALL, WIDE) += a' b over `depth` rows; only the first `tall` x `wide` of it exist. */
static void add_tile(int depth, const float *a, const float *b, float *out, int64_t stride, int tall, int wide) {
  lanes_t sum[TALL][3] = {{{0}}};
  for (int r = 0; r < depth; r++, a += TALL, b += WIDE) {
    const lanes_t *vector = (const lanes_t *)b;
    lanes_t b0 = vector[0], b1 = vector[1], b2 = vector[2];
#pragma GCC unroll 8
    for (int i = 0; i < TALL; i++) {
      sum[i][0] += a[i] * b0;
      sum[i][1] += a[i] * b1;
      sum[i][2] += a[i] * b2;
    }
  }
  for (int i = 0; i < tall; i++) {
    float line[WIDE];
    memcpy(line, sum[i], sizeof line);
    for (int j = 0; j < wide; j++) out[i * stride + j] += line[j];
  }
}

/* Lay rows [0, depth) of `width` numbers out in strips of `strip` columns, padded with zeros, times a weight per row. */
static void pack(int depth, int64_t width, int strip, const float **rows, const float *weight, float *out) {
  for (int64_t from = 0; from < width; from += strip)
    for (int r = 0; r < depth; r++, out += strip) {
      int64_t here = width - from < strip ? width - from : strip;
      const float *row = rows[r] + from;
      float factor = weight ? weight[r] : 1.0f;
      for (int64_t j = 0; j < here; j++) out[j] = factor * row[j];
      for (int64_t j = here; j < strip; j++) out[j] = 0.0f;
    }
}

/* Block (k, l) of the Hessian, l <= k: +X_k' diag(degree_k) X_k on the diagonal, -X_k' diag(edge) X_l off it. */
static int add_block(hessian_t *h, int k, int l) {
  int64_t tall = h->first[k + 1] - h->first[k], wide = h->first[l + 1] - h->first[l];
  if (tall == 0 || wide == 0) return 0;
  int64_t tall_strips = (tall + TALL - 1) / TALL, wide_strips = (wide + WIDE - 1) / WIDE;
  float *scratch = NULL;
  if (posix_memalign((void **)&scratch, 64, DEPTH * (tall_strips * TALL + wide_strips * WIDE) * sizeof(float))) return 1;
  float *right = scratch, *left = scratch + DEPTH * wide_strips * WIDE, weight[DEPTH]; /* vectors are read from `right` */
  const float *left_rows[DEPTH], *right_rows[DEPTH];
  float *block = h->hessian + h->first[k] * h->n_pairs + h->first[l];
  int depth = 0;
  for (int64_t i = 0; i <= h->n_rows; i++) {
    if (i < h->n_rows) {
      float w = k == l ? h->degree[k * h->n_rows + i] : -edge_weight(h, i, k, l);
      if (w != 0.0f) {
        left_rows[depth] = h->packed[k] + i * tall;
        right_rows[depth] = h->packed[l] + i * wide;
        weight[depth++] = w;
      }
    }
    if (depth == DEPTH || (i == h->n_rows && depth > 0)) {
      pack(depth, tall, TALL, left_rows, weight, left);
      pack(depth, wide, WIDE, right_rows, NULL, right);
      for (int64_t b = 0; b < wide_strips; b++)
        for (int64_t a = 0; a < tall_strips; a++) {
          int64_t top = a * TALL, side = b * WIDE;
          if (k == l && top + TALL <= side) continue; /* above the diagonal: mirrored below */
          add_tile(depth, left + a * TALL * depth, right + b * WIDE * depth, block + top * h->n_pairs + side, h->n_pairs,
                   tall - top < TALL ? (int)(tall - top) : TALL, wide - side < WIDE ? (int)(wide - side) : WIDE);
        }
      depth = 0;
    }
  }
  float *mirror = h->hessian + h->first[l] * h->n_pairs + h->first[k];
  for (int64_t a = 0; a < tall; a++)
    for (int64_t b = 0; b < (k == l ? a : wide); b++) mirror[b * h->n_pairs + a] = block[a * h->n_pairs + b];
  free(scratch);
  return 0;
}

static void add_blocks(void *task, int thread) {
  hessian_t *h = task;
  (void)thread;
  for (;;) {
    int64_t at = __atomic_fetch_add(&h->next_block, 1, __ATOMIC_RELAXED);
    if (at >= h->n_blocks) return;
    int k = (int)(h->order[at] / h->n_classes), l = (int)(h->order[at] % h->n_classes);
    if (add_block(h, k, l)) h->failed = 1;
  }
}

/* Hessian of sum_i c_i logsumexp(z_i) over pairs, exact where every edge weighs at least `light`. Returns 0, or 1
 * without memory. */
int EXPORT(pair_hessian)(hessian_t *h) {
  int32_t K = h->n_classes;
  int64_t n_blocks = (int64_t)K * (K + 1) / 2;
  h->packed = calloc(K, sizeof(float *));
  h->degree = calloc((size_t)K * h->n_rows + 1, sizeof(float));
  h->order = malloc(n_blocks * sizeof(int64_t));
  h->n_blocks = h->next_block = h->next_row_block = 0;
  h->failed = !h->packed || !h->degree || !h->order;
  for (int k = 0; k < K && !h->failed; k++) {
    h->packed[k] = malloc((h->n_rows * (h->first[k + 1] - h->first[k]) + 1) * sizeof(float));
    h->failed = !h->packed[k];
  }
  if (!h->failed) {
    for (int k = 0; k < K; k++) h->order[h->n_blocks++] = (int64_t)k * K + k; /* diagonal blocks are the heavy ones */
    for (int k = 0; k < K; k++)
      for (int l = 0; l < k; l++) h->order[h->n_blocks++] = (int64_t)k * K + l;
    parallel(prepare, h, h->n_threads);
    if (!h->failed) parallel(add_blocks, h, h->n_threads);
  }
  for (int k = 0; k < K && h->packed; k++) free(h->packed[k]);
  free(h->packed);
  free(h->degree);
  free(h->order);
  return h->failed;
}

/* Cyclic coordinate descent on g'(v - w) + (v - w)' H (v - w) / 2 + sum_j l1_j |v_j| + l2_j v_j^2 / 2 (Friedman et al.
 * 2010, section 2.2).
 *
 * `gradient` is g at w on entry and is kept up with w. Sweeps until no coordinate moved its own slope by more than
 * tolerance * l1. Returns the sweeps.
 */
int EXPORT(gram_descent)(int64_t s, const float *H, float *gradient, float *w, const float *l1, const float *l2,
                         float tolerance, int max_sweeps) {
  int sweep = 0;
  for (; sweep < max_sweeps; sweep++) {
    float largest = 0.0f;
    for (int64_t j = 0; j < s; j++) {
      if (w[j] == 0.0f && fabsf(gradient[j]) <= l1[j]) continue;
      const float *row = H + j * s;
      float curvature = row[j] + l2[j];
      if (!(curvature > 0.0f)) continue;
      float target = row[j] * w[j] - gradient[j];
      float next = target > l1[j] ? (target - l1[j]) / curvature : target < -l1[j] ? (target + l1[j]) / curvature : 0.0f;
      float step = next - w[j];
      if (step == 0.0f) continue;
      w[j] = next;
      largest = fmaxf(largest, fabsf(step) * curvature / l1[j]);
      for (int64_t m = 0; m < s; m++) gradient[m] += step * row[m];
    }
    if (largest <= tolerance) return sweep + 1;
  }
  return sweep;
}
