/* Exact scores, 8 outputs at a time: included by an instruction set's file after its primitives (exact_simd_<isa>.h). */
#include "kernels/sparse/exact.h"

/* `groups` x 8 outputs of one row of X; `groups`, `sized` and `dtype` are constants wherever this is inlined. */
QC_INLINE void exact_block(const qc_csr *x, const qc_exact_rows *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last,
                           ptrdiff_t first, double *out, double *sizes, const int groups, const int sized, const int dtype) {
    const ptrdiff_t at = first * qc_exact_bytes(dtype), left = w->n_outputs - first;
    const ptrdiff_t centre = w->n_outputs * qc_exact_bytes(dtype);
    eight sum[EXACT_BLOCK], size[EXACT_BLOCK];
    QC_UNROLL
    for (int g = 0; g < groups; ++g) {
        sum[g] = eight_zero();
        if (sized) size[g] = eight_zero();
    }
    for (ptrdiff_t i = begin; i < end; ++i) {
        const ptrdiff_t stored = qc_exact_stored(x, w, i);
        const char *row = qc_exact_row(w, stored);
        const eight value = eight_all(qc_exact_value(x, i)), scale = eight_all(qc_exact_scale(w, stored));
        const eight_centre shift = eight_shift(row + centre, w->centred, dtype);
        if (i + QC_AHEAD < last) {
            const ptrdiff_t next = qc_exact_stored(x, w, i + QC_AHEAD);
            if (w->scale) QC_PREFETCH(w->scale + next);
            qc_prefetch(qc_exact_row(w, next) + at, 8 * groups * qc_exact_bytes(dtype));
        }
        QC_UNROLL
        for (int g = 0; g < groups; ++g) {
            eight weight = eight_widened(row + at + 8 * g * qc_exact_bytes(dtype), shift, dtype);
            if (dtype != QC_EXACT_FLOAT64) weight = eight_mul(weight, scale);
            const eight term = eight_mul(value, weight);
            sum[g] = eight_add(sum[g], term);
            if (sized) size[g] = eight_add(size[g], eight_abs(term));
        }
    }
    QC_UNROLL
    for (int g = 0; g < groups; ++g) {
        eight_store(out + 8 * g, sum[g], left - 8 * g);
        if (sized) eight_store(sizes + 8 * g, size[g], left - 8 * g);
    }
}

QC_INLINE void exact_blocks(const qc_csr *x, const qc_exact_rows *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last,
                            double *out, double *sizes, const int most, const int sized, const int dtype) {
    ptrdiff_t first = 0;
    for (; w->n_outputs - first > 8 * most; first += 8 * most)
        exact_block(x, w, begin, end, last, first, out + first, sized ? sizes + first : NULL, most, sized, dtype);
    switch ((w->n_outputs - first + 7) / 8) {
#define QC_CASE(groups)                                                                                                       \
    case groups:                                                                                                              \
        if (groups <= most)                                                                                                   \
            exact_block(x, w, begin, end, last, first, out + first, sized ? sizes + first : NULL, groups, sized, dtype);     \
        break;
        QC_CASE(1)
        QC_CASE(2)
        QC_CASE(3)
        QC_CASE(4)
        QC_CASE(5)
#if EXACT_BLOCK > 5
        QC_CASE(6)
        QC_CASE(7)
        QC_CASE(8)
        QC_CASE(9)
        QC_CASE(10)
#endif
#undef QC_CASE
    }
}

/* One output is a chain, which leaves nothing for wide registers. */
QC_INLINE void exact_column(const qc_csr *x, const qc_exact_rows *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last,
                            double *out, double *sizes, const int dtype) {
    double sum = 0.0, size = 0.0;
    for (ptrdiff_t i = begin; i < end; ++i) {
        const ptrdiff_t stored = qc_exact_stored(x, w, i);
        const double weight = qc_exact_weight(qc_exact_row(w, stored), 0, qc_exact_scale(w, stored), w->centred, dtype);
        const double term = qc_exact_value(x, i) * weight;
        if (i + 2 * QC_AHEAD < last) QC_PREFETCH(qc_exact_row(w, qc_exact_stored(x, w, i + 2 * QC_AHEAD)));
        sum += term;
        size += fabs(term);
    }
    *out = sum;
    if (sizes) *sizes = size;
}

QC_INLINE void exact_part(const qc_csr *x, const qc_exact_rows *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last,
                          double *out, double *sizes, const int dtype) {
    if (w->n_outputs == 1) exact_column(x, w, begin, end, last, out, sizes, dtype);
    else if (dtype == QC_EXACT_FLOAT64 && sizes)
        exact_blocks(x, w, begin, end, last, out, sizes, EXACT_BLOCK / 2, 1, dtype);
    else exact_blocks(x, w, begin, end, last, out, NULL, EXACT_BLOCK, 0, dtype);
}

#include "kernels/sparse/exact_each.h"
