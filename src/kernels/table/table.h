/* Rows of numbers to labels or scores, each with its proof, in one pass. README.md says what is computed, and in which order. */
#ifndef QC_TABLE_PASS_H
#define QC_TABLE_PASS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/common.h"

enum {
    QC_TABLE_LANES = 16, /* features are padded to a multiple of this; lane i sums features i mod 16 */
    QC_TABLE_ROWS = 8    /* rows that are scored together: what scratch has room for */
};

/* What a scaler does to a value before it is multiplied by its gain. */
typedef enum { QC_AS_IS, QC_SHIFT /* x - shift */, QC_PRODUCT /* x * scale + shift, then clipped */ } qc_steps;

/* Pairs of arrays are for rows of float64 and of float32: sources round to the rows' dtype. All arrays of features are padded
 * with zeros, and weights are scaled by powers of two, the inverse of which is in `gain`. */
typedef struct {
    ptrdiff_t n_columns;  /* of a row as it comes */
    ptrdiff_t n_features; /* of a row as it is scored */
    ptrdiff_t padded;
    ptrdiff_t n_outputs;
    qc_steps steps;
    int checked;             /* values that are dropped, filled or clipped: what is not finite has to be looked for */
    const uint32_t *column;  /* n_features: the column of each feature, or NULL: the same */
    const double *fill[2];   /* what a missing value becomes, or NULL */
    int missing_is_nan;
    double missing;
    const double *shift[2], *scale[2];
    const double *gain;
    const float *shift32, *scale32, *gain32; /* the steps of float32 rows in float32, where that is the same; else gain32 is NULL */
    int clipped;
    double low[2], high[2];
    const float *hot;        /* n_outputs x padded */
    const double *fine;      /* the same in doubles, or NULL where `hot` is exact */
    const float *hot_bound[2];   /* padded: what a unit of each feature adds to the error of a score */
    const double *fine_bound[2];
    const double *bias;
    double bias_max;
    double hot_slack[2], fine_slack[2]; /* what underflow may add */
    double last[2];          /* relative: the last addition, ours and the source's */
    double most[2];          /* beyond such a bound the source's own sums may overflow */
    double at;               /* one output: the label is 1 above it */
} qc_table;

typedef enum { QC_TABLE_LABELS, QC_TABLE_SCORES } qc_table_job;

typedef struct {
    qc_table_job job;
    int32_t *labels;
    uint8_t *planes; /* 0 settled by the hot plane, 1 by the fine one, 2 open */
    double *scores;  /* n_rows x n_outputs */
    double *bounds;  /* of each row: on the error of every score */
    uint64_t fine, open;
} qc_table_result;

/* Bytes of scratch that a call needs, 64-byte aligned by its caller. */
static inline size_t qc_table_scratch(const qc_table *t) {
    const size_t floats = QC_TABLE_ROWS * (size_t)(t->padded + t->n_outputs) + 16;
    return 4 * (floats + 16) + 16 * (size_t)t->padded;
}

/* Rows of float32 (`single`) or float64. The result is -1, or the first row with a value that is not finite. */
typedef ptrdiff_t qc_run_rows_table_fn(const qc_table *t, const void *x, int single, ptrdiff_t n_rows, void *scratch,
                                       qc_table_result *r);

#define QC_FAMILY_table
#include "kernels/declare.h"

#endif
