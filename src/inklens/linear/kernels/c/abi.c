/* What the Python side must agree on with this library: library.py compares these numbers when it loads it. */
#include "kernels.h"

enum { ABI_VERSION = 7 }; /* count up with every change of a function's arguments or results */

#ifdef BASELINE

#define SIZE(type) (int64_t)sizeof(type)
#define AT(type, field) (int64_t)offsetof(type, field)

/* ABI_VERSION, then for every struct that Python mirrors its size and where each field starts; -1 ends the list. */
VISIBLE const int64_t *inklens_abi(void) {
  static const int64_t numbers[] = {
    ABI_VERSION,
    SIZE(rows_t), AT(rows_t, n_rows), AT(rows_t, n_features), AT(rows_t, layout), AT(rows_t, value_type),
    AT(rows_t, values), AT(rows_t, row_stride), AT(rows_t, indices), AT(rows_t, indptr), AT(rows_t, panel_values),
    AT(rows_t, panel_rows), AT(rows_t, panel_starts), AT(rows_t, panel_columns),
    SIZE(pass_t), AT(pass_t, mode), AT(pass_t, n_classes), AT(pass_t, lanes), AT(pass_t, n_threads), AT(pass_t, square),
    AT(pass_t, coef), AT(pass_t, intercept), AT(pass_t, point), AT(pass_t, point_intercept),
    AT(pass_t, codes), AT(pass_t, weights), AT(pass_t, scores), AT(pass_t, proba), AT(pass_t, residual),
    AT(pass_t, gradient), AT(pass_t, class_sums), AT(pass_t, loss), AT(pass_t, workspace),
    SIZE(pair_job_t), AT(pair_job_t, rows), AT(pair_job_t, n_rows), AT(pair_job_t, n_pairs),
    AT(pair_job_t, n_classes), AT(pair_job_t, n_threads), AT(pair_job_t, chosen), AT(pair_job_t, first),
    AT(pair_job_t, feature), AT(pair_job_t, proba), AT(pair_job_t, weights), AT(pair_job_t, scale),
    AT(pair_job_t, sampling_threshold), AT(pair_job_t, seed), AT(pair_job_t, hessian), AT(pair_job_t, slot),
    AT(pair_job_t, n_slots), AT(pair_job_t, seconds),
    -1
  };
  return numbers;
}

#ifndef BUILT_FROM
#define BUILT_FROM "unknown sources"
#endif

/* The fingerprint that scripts/build_kernels.py looks for before it builds anew. */
VISIBLE const char *inklens_built_from(void) { return BUILT_FROM; }

#endif
