/* Rows of numbers to labels or scores, each with its proof, in one pass. README.md says what is computed, and in which order. */
#ifndef QC_TABLE_PASS_H
#define QC_TABLE_PASS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/builtins.h"
#include "kernels/dense/dense.h"
#undef QC_FAMILY_dense

enum {
    QC_TABLE_LANES = 16, /* features are padded to a multiple of this; lane i sums features i mod 16 */
    QC_TABLE_ROWS = 16,  /* rows that are scored together: what scratch has room for */
    QC_TABLE_FARTHEST = 500 /* exponent of a gain */
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
    const float *lane_bound[2];  /* QC_TABLE_LANES: its sum over the features of each lane */
    const double *fine_bound[2];
    const double *bias;
    double bias_max;
    double hot_slack[2], fine_slack[2]; /* what underflow may add */
    double last[2];          /* relative: the last addition, ours and the source's */
    double most[2];          /* beyond such a bound the source's own sums may overflow */
    double at;               /* one output: the label is 1 above it */
    /* Many outputs have an int8 plane in front; `plane.blocks` is NULL where there is none. Arrays are of n_outputs values, padded
     * to a multiple of QC_TABLE_LANES: of scale and errors with 0, of biases with -inf. */
    qc_dense plane;          /* of padded rounded up to 64 features */
    const float *plane_scale;
    const float *plane_bias;
    const float *plane_error[2]; /* per unit of a row's norm */
    const float *plane_size;     /* norm of an output's int8 weights, times the scale */
    float plane_last[2], plane_floor[2]; /* what additions round: relative to a score, and at least */
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

/* Weights as a Plan holds them: doubles, or integers times a power of two a row, each off by at most `error` steps. */
typedef struct {
    ptrdiff_t n_rows, n_features, n_outputs;
    const void *values;      /* n_rows x n_outputs */
    int width;               /* bytes of a value: 8 of a double, 2 or 4 of an integer */
    const int16_t *exponent; /* n_rows, or NULL: of doubles */
    const uint32_t *index;   /* n_features: the row of each feature, or NULL: the same */
    double error;
    double relative[2];      /* how far our scaled values may be from the source's, for rows of float64 and float32 */
    double unit[2];          /* the roundoff of the source's sums */
} qc_table_source;

/* The same as `qc_table` reads them: a power of two a feature brings its largest to about 1. */
typedef struct {
    ptrdiff_t padded;
    float *hot;
    double *fine, *gain;
    double *step, *largest;  /* n_features: of the weights as scaled, how far off one may be, and the most that one may be */
    float *hot_bound[2], *lane_bound[2];
    double *fine_bound[2];
    double size;             /* the sum of `largest` before scaling, for what underflows in the source */
    double most[2];
} qc_table_weights;

/* 1 where float32 holds the weights exactly, else 0; -1 where the index names a row that is not there. */
int qc_table_arrange(const qc_table_source *s, qc_table_weights *w);

static inline size_t qc_table_up(ptrdiff_t n, size_t multiple) { return ((size_t)n + multiple - 1) / multiple * multiple; }

/* Bytes of scratch that a call needs, 64-byte aligned by its caller. */
static inline size_t qc_table_scratch(const qc_table *t) {
    const size_t padded = (size_t)t->padded, outputs = qc_table_up(t->n_outputs, QC_TABLE_LANES);
    const size_t plane = t->plane.blocks ? qc_table_up(t->padded, 64) + 8 * outputs : 0;
    return QC_TABLE_ROWS * (4 * (padded + outputs) + plane) + 16 * padded + 8 * outputs + 64;
}

/* Rows of float32 (`single`) or float64. The result is -1, or the first row with a value that is not finite. */
typedef ptrdiff_t qc_run_rows_table_fn(const qc_table *t, const void *x, int single, ptrdiff_t n_rows, void *scratch,
                                       qc_table_result *r);

#define QC_FAMILY_table
#include "kernels/declare.h"

#endif
