/* The walk over X's rows, and the end of each: divided by its norm, the bias added. */
QC_INLINE void exact(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes, const int dtype) {
    const ptrdiff_t last = qc_at(x->indptr, x->wide_indptr, x->n_rows), n_outputs = w->n_outputs;
    ptrdiff_t i = qc_at(x->indptr, x->wide_indptr, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        exact_part(x, w, i, end, last, out, dtype == QC_EXACT_FLOAT64 ? sizes : NULL, dtype);
        if (norms)
            for (ptrdiff_t k = 0; k < n_outputs; ++k) out[k] /= norms[row];
        for (ptrdiff_t k = 0; k < n_outputs; ++k) out[k] += w->bias[k];
        if (sizes && dtype == QC_EXACT_FLOAT64) {
            sizes += n_outputs;
        } else if (sizes) {
            double size = 0.0;
            for (; i < end; ++i) size += fabs(qc_exact_value(x, i)) * qc_exact_scale(w, qc_exact_stored(x, w, i));
            sizes[row] = size;
        }
        i = end;
    }
}
