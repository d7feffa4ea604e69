#include <string.h>

#include "kernels/sparse/sparse.h"

void qc_scores_csr_int8_scalar(const qc_csr *x, const qc_int8_rows *w, float *restrict out) {
    const ptrdiff_t last = qc_at(x->indptr, x->wide, x->n_rows);
    ptrdiff_t i = qc_at(x->indptr, x->wide, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += w->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide, row + 1);
        memset(out, 0, (size_t)w->n_outputs * sizeof *out);
        for (; i < end; ++i) {
            const ptrdiff_t stored = qc_stored_row(x, w, i);
            const int8_t *q = w->rows + stored * w->stride;
            const float value = x->data[i] * w->scale[stored];
            qc_prefetch_row(x, w, i, last, 0, w->stride);
            for (ptrdiff_t k = 0; k < w->n_outputs; ++k) out[k] += value * (float)q[k];
        }
    }
}

/* One output: its sum runs over the features in order, which leaves nothing for wider registers. */
QC_INLINE void column(const qc_csr *x, const float *w, float *out, const int wide) {
    ptrdiff_t i = qc_at(x->indptr, wide, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row) {
        const ptrdiff_t end = qc_at(x->indptr, wide, row + 1);
        float sum = 0.0f;
        for (; i < end; ++i) sum += x->data[i] * w[qc_at(x->indices, wide, i)];
        out[row] = sum;
    }
}

void qc_scores_csr_float32_scalar(const qc_csr *x, const float *w, float *out) {
    if (x->wide) column(x, w, out, 1);
    else column(x, w, out, 0);
}
