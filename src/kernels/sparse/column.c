/* One output: its sum runs over the features in order, which leaves nothing for wider registers. */
#include "kernels/sparse/sparse.h"

QC_INLINE void column(const qc_csr *x, const float *w, float *out, const int wide, const int doubles) {
    ptrdiff_t i = qc_at(x->indptr, x->wide_indptr, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        float sum = 0.0f;
        for (; i < end; ++i) {
            const float value = doubles ? (float)((const double *)x->data)[i] : ((const float *)x->data)[i];
            sum += value * w[qc_at(x->indices, wide, i)];
        }
        out[row] = sum;
    }
}

void qc_scores_column_float32_scalar(const qc_csr *x, const float *w, float *out) {
    if (x->wide_indices) {
        if (x->doubles) column(x, w, out, 1, 1);
        else column(x, w, out, 1, 0);
    } else {
        if (x->doubles) column(x, w, out, 0, 1);
        else column(x, w, out, 0, 0);
    }
}
