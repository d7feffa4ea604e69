/* Scores of sparse rows. README.md says what is computed, and in which order. */
#ifndef QC_SPARSE_H
#define QC_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/common.h"

enum {
    QC_LANES = 16,      /* a stored row is a multiple of this many weights long */
    QC_EXACT_LANES = 8, /* the same of the exact kernels, for more outputs than one */
    QC_PADDING = 64     /* bytes that may be read beyond lists and masks */
};

#define QC_DROPPED 0xFFFFFFFFu /* in an index: a feature without weights */

/* X. Every array has the width that the caller has: nothing is converted before it is read. */
typedef struct {
    const void *indptr, *indices, *data;
    ptrdiff_t n_rows;
    int wide_indptr, wide_indices; /* int64, else int32 */
    int doubles;                   /* data is float64, else float32 */
} qc_csr;

QC_INLINE ptrdiff_t qc_at(const void *numbers, int wide, ptrdiff_t i) {
    return wide ? (ptrdiff_t)((const int64_t *)numbers)[i] : (ptrdiff_t)((const int32_t *)numbers)[i];
}

/* Weights, feature-major: row r is at r * stride, or at start[r] where rows differ in length. */
typedef struct {
    const void *rows;
    const int64_t *start;  /* in bytes, one more than rows; NULL: all rows have one length */
    const float *scale;    /* one per stored row; NULL: 1 */
    const uint32_t *index; /* feature -> stored row or QC_DROPPED; NULL: feature j has row j */
    ptrdiff_t n_outputs;
    ptrdiff_t stride;      /* in bytes; of rows that differ in length, what most of them have */
    int drops;             /* the index drops features */
} qc_rows;

typedef enum { QC_EXACT_FLOAT64, QC_EXACT_INT16, QC_EXACT_INT32 } qc_exact_kind;

/* Weights of exact scores: float64, or integers times scale[r] = 2^e, plus the row's last column where centred. */
typedef struct {
    const void *rows;
    const double *scale;   /* NULL: rows of float64 */
    const uint32_t *index; /* feature -> stored row; NULL: feature j has row j */
    const double *bias;
    ptrdiff_t n_outputs, stride; /* stride in bytes */
    int centred;
} qc_exact_rows;

typedef void qc_scores_rows_int4_fn(const qc_csr *x, const qc_rows *w, float *out);
typedef void qc_scores_rows_int8_fn(const qc_csr *x, const qc_rows *w, float *out);
typedef void qc_scores_rows_int16_fn(const qc_csr *x, const qc_rows *w, float *out);
typedef void qc_scores_rows_float16_fn(const qc_csr *x, const qc_rows *w, float *out);
typedef void qc_scores_rows_float32_fn(const qc_csr *x, const qc_rows *w, float *out);
typedef void qc_scores_column_float32_fn(const qc_csr *x, const float *w, float *out);
typedef void qc_scores_lists_int8_fn(const qc_csr *x, const qc_rows *w, float *out);
typedef void qc_scores_masks_int8_fn(const qc_csr *x, const qc_rows *w, float *out);

/* norms: each row's sums are divided by its own; NULL: they are not. sizes: sums of absolute terms (README.md), or NULL. */
typedef void qc_exact_rows_float64_fn(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes);
typedef void qc_exact_rows_int16_fn(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes);
typedef void qc_exact_rows_int32_fn(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes);

#include "kernels/sparse/labels.h"

#define QC_FAMILY_sparse
#include "kernels/declare.h"

/* What is wrong with a CSR matrix of n_columns columns and n_stored values; QC_CSR_OK if a kernel may run on it. */
typedef enum { QC_CSR_OK, QC_CSR_INDPTR, QC_CSR_INDICES } qc_csr_fault;

qc_csr_fault qc_csr_check(const qc_csr *x, ptrdiff_t n_stored, ptrdiff_t n_columns);

#endif
