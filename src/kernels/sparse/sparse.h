/* Linear scores of sparse rows. README.md says what is computed, and in which order. */
#ifndef QC_SPARSE_H
#define QC_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/common.h"

enum {
    QC_LANES = 16, /* a stored row is a multiple of this many int8 long */
    QC_AHEAD = 8   /* nonzeros between a row's prefetch and its use */
};

typedef struct {
    const void *indptr, *indices; /* int64 where wide, else int32 */
    const float *data;
    ptrdiff_t n_rows;
    int wide;
} qc_csr;

typedef struct {
    const int8_t *rows; /* n_stored x stride */
    const float *scale; /* one per stored row */
    const uint32_t *index; /* feature -> stored row, or NULL: feature j has row j */
    ptrdiff_t n_outputs, stride;
} qc_int8_rows;

typedef void qc_scores_csr_int8_fn(const qc_csr *x, const qc_int8_rows *w, float *out);
typedef void qc_scores_csr_float32_fn(const qc_csr *x, const float *w, float *out);

#define QC_FAMILY_sparse
#include "kernels/declare.h"

QC_INLINE ptrdiff_t qc_at(const void *numbers, int wide, ptrdiff_t i) {
    return wide ? (ptrdiff_t)((const int64_t *)numbers)[i] : (ptrdiff_t)((const int32_t *)numbers)[i];
}

QC_INLINE ptrdiff_t qc_stored_row(const qc_csr *x, const qc_int8_rows *w, ptrdiff_t i) {
    const ptrdiff_t feature = qc_at(x->indices, x->wide, i);
    return w->index ? (ptrdiff_t)w->index[feature] : feature;
}

/* Asks for `bytes` of the row of nonzero i + QC_AHEAD, from its output `from` on, and for its scale. */
QC_INLINE void qc_prefetch_row(const qc_csr *x, const qc_int8_rows *w, ptrdiff_t i, ptrdiff_t end, ptrdiff_t from,
                               ptrdiff_t bytes) {
    if (i + QC_AHEAD >= end) return;
    const ptrdiff_t stored = qc_stored_row(x, w, i + QC_AHEAD);
    const int8_t *row = w->rows + stored * w->stride + from;
    QC_PREFETCH(w->scale + stored);
    for (ptrdiff_t line = 0; line < bytes; line += 64) QC_PREFETCH(row + line);
    QC_PREFETCH(row + bytes - 1); /* rows need not start on a line */
}

/* What is wrong with a CSR matrix of n_columns columns and n_stored values; QC_CSR_OK if a kernel may run on it. */
typedef enum { QC_CSR_OK, QC_CSR_INDPTR, QC_CSR_INDICES } qc_csr_fault;

qc_csr_fault qc_csr_check(const qc_csr *x, ptrdiff_t n_stored, ptrdiff_t n_columns);

#endif
