/* Labels over one output, and the rows that a hot plane leaves: sums of one output are chains, so that no instruction set has
 * more to give than these. */
#include <math.h>

#include "kernels/sparse/exact.h"

/* A value as the source's weights meet it. */
static inline double seen(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t i) {
    const double value = qc_exact_value(x, i);
    if (!m->gain) return value;
    const double product = value * m->gain[qc_at(x->indices, x->wide_indices, i)];
    return x->doubles ? product : (double)(float)product;
}

static double exact_score(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t k, const int kind) {
    const qc_exact_rows *w = &m->exact;
    const ptrdiff_t centre = w->centred ? w->n_outputs : 0;
    double sum = 0.0;
    for (ptrdiff_t i = begin; i < end; ++i) {
        const ptrdiff_t stored = qc_exact_stored(x, w, i);
        sum += seen(x, m, i) * qc_exact_weight(qc_exact_row(w, stored), k, qc_exact_scale(w, stored), centre, kind);
    }
    return sum + w->bias[k];
}

static double score_of(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t k) {
    if (m->kind == QC_EXACT_FLOAT64) return exact_score(x, m, begin, end, k, QC_EXACT_FLOAT64);
    if (m->kind == QC_EXACT_INT16) return exact_score(x, m, begin, end, k, QC_EXACT_INT16);
    return exact_score(x, m, begin, end, k, QC_EXACT_INT32);
}

/* n u / (1 - n u); infinite where that says nothing */
static inline double gamma_of(double n, double unit) { return n * unit < 0.5 ? n * unit / (1.0 - n * unit) : INFINITY; }

/* What separates an exact score from the source's own; -1 if a value is not finite, -2 if all are 0. */
static double fine_bound(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t begin, ptrdiff_t end) {
    double steps = 0.0, sizes = 0.0, largest = 0.0;
    for (ptrdiff_t i = begin; i < end; ++i) {
        const ptrdiff_t stored = qc_exact_stored(x, &m->exact, i);
        const double given = fabs(qc_exact_value(x, i)), value = fabs(seen(x, m, i));
        if (!(given < INFINITY) || !(value < INFINITY)) return -1.0;
        largest = given > largest ? given : largest;
        steps += value * m->step[stored];
        sizes += value * m->size[stored];
    }
    if (largest == 0.0) return -2.0;
    if (!(sizes + m->bias_max <= m->largest)) return INFINITY; /* in some order the source's sums may overflow */
    const double n = (double)(end - begin);
    return (steps + sizes * (gamma_of(n + 1.0, m->unit) + gamma_of(n + 4.0, 0x1p-53)) + m->bias_max * (4.0 * m->unit) +
            2.0 * (n + 1.0) * m->tiny) * (1.0 + 0x1p-20);
}

int qc_csr_settle(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t begin, ptrdiff_t end, const float *scores, double first,
                  double within, ptrdiff_t row, qc_csr_result *r) {
    const double bound = fine_bound(x, m, begin, end), least = within < INFINITY ? first - within : -INFINITY;
    if (bound == -1.0) return 0;
    int sure = bound == -2.0;
    int32_t best = m->empty_label;
    if (!sure && m->n_outputs == 1) {
        const double score = score_of(x, m, begin, end, 0);
        best = score > m->at;
        sure = fabs(score - m->at) > bound + (fabs(score) + fabs(m->at)) * 0x1p-49;
    } else if (!sure) {
        double top = -INFINITY, next = -INFINITY;
        best = 0;
        for (ptrdiff_t k = 0; k < m->n_outputs; ++k) {
            if ((double)(scores[k] + m->bias32[k]) < least) continue;
            const double score = score_of(x, m, begin, end, k);
            next = score > top ? top : score > next ? score : next;
            best = score > top ? (int32_t)k : best;
            top = score > top ? score : top;
        }
        /* a single one in play has beaten all others */
        const double shown = fabs(top) + (next > -INFINITY ? fabs(next) : 0.0);
        sure = top - next > 2.0 * bound + shown * 0x1p-49;
    }
    r->labels[row] = best;
    r->planes[row] = sure ? 1 : 2;
    r->fine += 1;
    r->open += !sure;
    return 1;
}

QC_INLINE ptrdiff_t column(const qc_csr *x, const qc_csr_labels *m, qc_csr_result *r, const int wide, const int doubles) {
    ptrdiff_t begin = qc_at(x->indptr, x->wide_indptr, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide_indptr, row + 1);
        if (begin == end) {
            r->labels[row] = m->empty_label;
            r->planes[row] = 0;
            continue;
        }
        double sum[2] = {0.0, 0.0}, spread[2] = {0.0, 0.0}; /* nonzero i in sum i mod 2 */
        for (ptrdiff_t i = begin; i < end; ++i) {
            const float *weight = m->column + 2 * qc_at(x->indices, wide, i);
            const double value = qc_csr_value(x, i, doubles);
            sum[(i - begin) & 1] += value * (double)weight[0];
            spread[(i - begin) & 1] += fabs(value) * (double)weight[1];
        }
        const double total = spread[0] + spread[1], n = (double)(end - begin);
        const double score = (sum[0] + sum[1]) + m->exact.bias[0];
        const double bound = total * (1.0 + (n + 4.0) * 0x1p-52) * (1.0 + (n * m->share + m->fixed[!doubles])) +
                             n * m->slack[!doubles] + (fabs(score) + fabs(m->at) + m->bias_max) * m->last;
        const int usable = total < m->most && n < QC_HOT_NONZEROS; /* false for NaN */
        if (QC_CERTIFICATE(usable && fabs(score - m->at) > bound, 1)) {
            r->labels[row] = score > m->at;
            r->planes[row] = 0;
        } else if (!qc_csr_settle(x, m, begin, end, NULL, 0.0, 0.0, row, r)) {
            return row;
        }
        begin = end;
    }
    return -1;
}

ptrdiff_t qc_labels_column_float32_scalar(const qc_csr *x, const qc_csr_labels *m, qc_csr_result *r) {
    if (x->wide_indices) return x->doubles ? column(x, m, r, 1, 1) : column(x, m, r, 1, 0);
    return x->doubles ? column(x, m, r, 0, 1) : column(x, m, r, 0, 0);
}
