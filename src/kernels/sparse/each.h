/* The walk over X's rows: included where `part` is, which adds a run of a row's entries to the row's sums in `out`, or starts
 * them if `fresh`. */

/* Rows of X whose dropped features are left out: copied in stages, so that a row may come in several runs. */
QC_INLINE void in_stages(const qc_csr *x, const qc_rows *w, float *out, const int dtype) {
    const ptrdiff_t last = qc_at(x->indptr, x->wide_indptr, x->n_rows);
    ptrdiff_t i = qc_at(x->indptr, x->wide_indptr, 0);
    qc_staged s;
    qc_entries e = {s.stored, s.value, NULL, 0, 0, 0, s.packed};
    s.from = s.to = i;
    s.place[0] = 0;
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += w->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        int fresh = 1;
        do {
            if (i == s.to && i < last) e.last = qc_stage(x, w, &s, i, last);
            const ptrdiff_t upto = end < s.to ? end : s.to;
            part(&e, s.place[i - s.from], s.place[upto - s.from], fresh, w, out, dtype);
            i = upto;
            fresh = 0;
        } while (i < end);
    }
}

QC_INLINE void scores(const qc_csr *x, const qc_rows *w, float *out, const int dtype) {
    if (w->drops || dtype == QC_MASKS) {
        in_stages(x, w, out, dtype);
        return;
    }
    ptrdiff_t i = qc_at(x->indptr, x->wide_indptr, 0);
    const qc_entries e = {x->indices, x->data, w->index, qc_at(x->indptr, x->wide_indptr, x->n_rows), x->wide_indices, x->doubles, NULL};
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += w->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        part(&e, i, end, 1, w, out, dtype);
        i = end;
    }
}
