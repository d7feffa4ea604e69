/* Labels over several outputs: included by an instruction set's file after `best_two`, and after `score_row`, which sums up a row's
 * hot scores. */
#include <math.h>

#include "kernels/sparse/labels.h"

/* The sum of |x_j| spread_j in float32, in order. */
QC_INLINE float spread_of(const qc_csr *x, const float *spread, ptrdiff_t begin, ptrdiff_t end, const int doubles) {
    float sum = 0.0f;
    for (ptrdiff_t i = begin; i < end; ++i)
        sum += fabsf((float)qc_csr_value(x, i, doubles)) * spread[qc_at(x->indices, x->wide_indices, i)];
    return sum;
}

/* What a row's scores and the sum of its spreads prove. 0 if a value is not finite. */
QC_INLINE int decide(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t begin, ptrdiff_t end, const float *scores, float spread,
                     const int padded, const int doubles, ptrdiff_t row, qc_csr_result *r) {
    const double total = (double)spread, n = (double)(end - begin);
    const two found = best_two(scores, m->bias32, m->n_outputs, padded);
    const double shown = fabs((double)found.first) + fabs((double)found.second) + 2.0 * m->bias_max;
    const double bound = total * (1.0 + (n + 4.0) * 0x1p-23) * (1.0 + (n * m->share + m->fixed[!doubles])) +
                         n * m->slack[!doubles] + shown * m->last;
    const int usable = total < m->most && n < QC_HOT_NONZEROS; /* false for NaN */
    r->labels[row] = (int32_t)found.best;
    r->planes[row] = 0;
    if (QC_CERTIFICATE(usable && (double)found.first - (double)found.second > bound, 1)) return 1;
    /* what an output farther away might still gain by its own size: see "who stays in play" */
    const double within = bound + (4.0 * fabs((double)found.first) + 2.0 * bound + 4.0 * m->bias_max) * m->last;
    return qc_csr_settle(x, m, begin, end, scores, (double)found.first, usable ? within : (double)INFINITY, row, r);
}

/* Rows of int8 if w is there, else scores. */
QC_INLINE ptrdiff_t labels_as(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch, const float *scores,
                              qc_csr_result *r, const int doubles, const int ahead) {
    ptrdiff_t begin = qc_at(x->indptr, x->wide_indptr, 0);
    const ptrdiff_t last = qc_at(x->indptr, x->wide_indptr, x->n_rows);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        if (begin == end) {
            r->labels[row] = m->empty_label;
            r->planes[row] = 0;
            continue;
        }
        if (w) {
            const float spread = score_row(x, m, w, begin, end, last, scratch, doubles, ahead);
            if (!decide(x, m, begin, end, scratch, spread, 1, doubles, row, r)) return row;
        } else {
            const float spread = spread_of(x, m->spread, begin, end, doubles);
            if (!decide(x, m, begin, end, scores + row * m->n_outputs, spread, 0, doubles, row, r)) return row;
        }
        begin = end;
    }
    return -1;
}

QC_INLINE ptrdiff_t labels_of_scores(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    return x->doubles ? labels_as(x, m, NULL, NULL, scores, r, 1, 0) : labels_as(x, m, NULL, NULL, scores, r, 0, 0);
}

QC_INLINE ptrdiff_t labels_of_rows(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch, qc_csr_result *r) {
    return labels_as(x, m, w, scratch, NULL, r, x->doubles != 0, m->prefetch != 0);
}
