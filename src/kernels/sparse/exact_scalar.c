#include <string.h>

#include "kernels/sparse/exact.h"

QC_INLINE void exact_part(const qc_csr *x, const qc_exact_rows *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last,
                          double *restrict out, double *restrict sizes, const int dtype) {
    const ptrdiff_t n_outputs = w->n_outputs, centre = w->centred ? n_outputs : 0;
    memset(out, 0, (size_t)n_outputs * sizeof *out);
    if (sizes) memset(sizes, 0, (size_t)n_outputs * sizeof *sizes);
    for (ptrdiff_t i = begin; i < end; ++i) {
        const ptrdiff_t stored = qc_exact_stored(x, w, i);
        const char *row = qc_exact_row(w, stored);
        const double value = qc_exact_value(x, i), scale = qc_exact_scale(w, stored);
        if (i + QC_AHEAD < last) qc_prefetch(qc_exact_row(w, qc_exact_stored(x, w, i + QC_AHEAD)), w->stride);
        for (ptrdiff_t k = 0; k < n_outputs; ++k) {
            const double term = value * qc_exact_weight(row, k, scale, centre, dtype);
            out[k] += term;
            if (sizes) sizes[k] += fabs(term);
        }
    }
}

#include "kernels/sparse/exact_each.h"

void qc_exact_rows_float64_scalar(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes) {
    exact(x, w, norms, out, sizes, QC_EXACT_FLOAT64);
}

void qc_exact_rows_int16_scalar(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes) {
    exact(x, w, norms, out, sizes, QC_EXACT_INT16);
}

void qc_exact_rows_int32_scalar(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes) {
    exact(x, w, norms, out, sizes, QC_EXACT_INT32);
}
