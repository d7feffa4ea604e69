/* The walk over X's rows: included where `part` is, which adds a run of a row's entries to the row's sums in `out`, or starts
 * them if `fresh`. */

QC_INLINE ptrdiff_t qc_stage_as(const qc_csr *x, const qc_rows *w, qc_staged *s, ptrdiff_t left, const int wide,
                                const int doubles) {
    const ptrdiff_t most = left < QC_PLACES ? left : QC_PLACES;
    ptrdiff_t n = 0, t = 0;
#ifdef LANES_STAGE
    if (w->index)
        for (; t + 16 <= most && n + 16 <= QC_STAGE; t += 16) n += lanes_stage(x, w, s, t, n, wide, doubles);
#endif
    for (; t < most && n < QC_STAGE; ++t) {
        const ptrdiff_t i = s->from + t, feature = qc_at(x->indices, wide, i);
        const uint32_t stored = w->index ? w->index[feature] : (uint32_t)feature;
        s->place[t] = (uint16_t)n;
        s->stored[n] = stored;
        s->value[n] = doubles ? (float)((const double *)x->data)[i] : ((const float *)x->data)[i];
        n += stored != QC_DROPPED; /* no branch: what is dropped is as good as random */
    }
    s->place[t] = (uint16_t)n;
    s->to = s->from + t;
    return n;
}

/* Copies nonzeros from number `from` on; returns how many have weights. */
static inline ptrdiff_t qc_stage(const qc_csr *x, const qc_rows *w, qc_staged *s, ptrdiff_t from, ptrdiff_t last) {
    s->from = from;
    if (x->wide_indices)
        return x->doubles ? qc_stage_as(x, w, s, last - from, 1, 1) : qc_stage_as(x, w, s, last - from, 1, 0);
    return x->doubles ? qc_stage_as(x, w, s, last - from, 0, 1) : qc_stage_as(x, w, s, last - from, 0, 0);
}

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
    const ptrdiff_t last = qc_at(x->indptr, x->wide_indptr, x->n_rows);
    const qc_entries e = {x->indices, x->data, w->index, last, x->wide_indices, x->doubles, NULL};
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += w->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        part(&e, i, end, 1, w, out, dtype);
        i = end;
    }
}
