/* Exact scores: what the scalar kernel and the vector ones have in common. Includers define
 * `exact_part`, which sums up nonzeros begin .. end of one row, and include exact_each.h. */
#ifndef QC_SPARSE_EXACT_H
#define QC_SPARSE_EXACT_H

#include <math.h>

#include "kernels/sparse/entries.h"

QC_INLINE ptrdiff_t qc_exact_bytes(const int dtype) { return dtype == QC_EXACT_INT16 ? 2 : dtype == QC_EXACT_INT32 ? 4 : 8; }

/* Where a nonzero's weights are stored. */
QC_INLINE ptrdiff_t qc_exact_stored(const qc_csr *x, const qc_exact_rows *w, ptrdiff_t i) {
    const ptrdiff_t feature = qc_at(x->indices, x->wide_indices, i);
    return w->index ? (ptrdiff_t)w->index[feature] : feature;
}

QC_INLINE const char *qc_exact_row(const qc_exact_rows *w, ptrdiff_t stored) {
    return (const char *)w->rows + stored * w->stride;
}

QC_INLINE double qc_exact_scale(const qc_exact_rows *w, ptrdiff_t stored) { return w->scale ? w->scale[stored] : 1.0; }

QC_INLINE double qc_exact_value(const qc_csr *x, ptrdiff_t i) {
    return x->doubles ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
}

/* Weight k of a row, the centre added: exact, since a row's integers have 32 bits and 2^e is within 2^-1000 .. 2^900. */
QC_INLINE double qc_exact_weight(const char *row, ptrdiff_t k, double scale, ptrdiff_t centre, const int dtype) {
    if (dtype == QC_EXACT_FLOAT64) return ((const double *)row)[k];
    if (dtype == QC_EXACT_INT16) {
        const int16_t *q = (const int16_t *)row;
        return (double)(centre ? q[k] + q[centre] : q[k]) * scale;
    }
    const int32_t *q = (const int32_t *)row;
    return ((double)q[k] + (centre ? (double)q[centre] : 0.0)) * scale;
}

#endif
