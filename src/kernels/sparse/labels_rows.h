/* Labels over several outputs: included by an instruction set's file after `best_two`. */
#include <math.h>

#include "kernels/sparse/labels.h"

/* The sum of |x_j| spread_j, in float32: nonzero i in sum i mod 4, whatever the instruction set. */
QC_INLINE float spread_of(const qc_csr *x, const float *spread, ptrdiff_t begin, ptrdiff_t end, const int wide, const int doubles) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    ptrdiff_t i = begin;
    for (; i + 4 <= end; i += 4) {
        QC_UNROLL
        for (int lane = 0; lane < 4; ++lane)
            sum[lane] += fabsf((float)qc_csr_value(x, i + lane, doubles)) * spread[qc_at(x->indices, wide, i + lane)];
    }
    for (int lane = 0; i < end; ++i, ++lane)
        sum[lane] += fabsf((float)qc_csr_value(x, i, doubles)) * spread[qc_at(x->indices, wide, i)];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

QC_INLINE ptrdiff_t labels_as(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r, const int wide,
                              const int doubles) {
    ptrdiff_t begin = qc_at(x->indptr, x->wide_indptr, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, scores += m->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        if (begin == end) {
            r->labels[row] = m->empty_label;
            r->planes[row] = 0;
            continue;
        }
        const double total = (double)spread_of(x, m->spread, begin, end, wide, doubles), n = (double)(end - begin);
        const two found = best_two(scores, m->bias32, m->n_outputs);
        const double shown = fabs((double)found.first) + fabs((double)found.second) + 2.0 * m->bias_max;
        const double bound = total * (1.0 + (n + 4.0) * 0x1p-23) * (1.0 + (n * m->share + m->fixed[!doubles])) +
                             n * m->slack[!doubles] + shown * m->last;
        const int usable = total < m->most && n < QC_HOT_NONZEROS; /* false for NaN */
        if (QC_CERTIFICATE(usable && (double)found.first - (double)found.second > bound, 1)) {
            r->labels[row] = (int32_t)found.best;
            r->planes[row] = 0;
        } else {
            /* what an output farther away might still gain by its own size: see "who stays in play" */
            const double within = bound + (4.0 * fabs((double)found.first) + 2.0 * bound + 4.0 * m->bias_max) * m->last;
            if (!qc_csr_settle(x, m, begin, end, scores, (double)found.first, usable ? within : (double)INFINITY, row, r))
                return row;
        }
        begin = end;
    }
    return -1;
}

QC_INLINE ptrdiff_t labels(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    if (x->wide_indices) return x->doubles ? labels_as(x, m, scores, r, 1, 1) : labels_as(x, m, scores, r, 1, 0);
    return x->doubles ? labels_as(x, m, scores, r, 0, 1) : labels_as(x, m, scores, r, 0, 0);
}
