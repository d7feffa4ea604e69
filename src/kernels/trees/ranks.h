/* Ranks: what the kernels of all instruction sets share, and plain C for those that have no better way. */
#ifndef QC_TREES_RANKS_H
#define QC_TREES_RANKS_H

#include "kernels/trees/categories.h"

/* Of a column of ranks: x has been rounded as the source rounds it. */
QC_INLINE uint8_t qc_rank(const qc_ranks *r, ptrdiff_t column, double x) {
    const double *threshold = r->threshold + r->first[column];
    const int zero = (r->missing[column] & QC_TREES_ZERO) && x <= (double)1e-35f && x >= -(double)1e-35f;
    if (x != x || zero) return r->missing[column] & QC_TREES_LEFT ? 0 : r->count[column];
    int rank = 0;
    for (int step = 128; step; step >>= 1)
        if (rank + step <= r->count[column] && threshold[rank + step - 1] < x) rank += step;
    return (uint8_t)rank;
}

/* Whether a value is one that the source refuses. */
QC_INLINE int qc_refused(int rule, double x) {
    const int nan = x != x, infinite = !nan && x - x != x - x;
    return (nan && (rule & QC_REFUSE_NAN)) || (infinite && (rule & QC_REFUSE_INFINITE));
}

/* Sides of sets of categories, `codes` being room for the codes of a feature; `single`: whether x is of float32. */
QC_INLINE int qc_set_columns(const qc_ranks *r, const void *x, int single, ptrdiff_t n_rows, uint8_t *ranks, int32_t *codes) {
    const qc_columns *c = r->columns;
    uint8_t *to = ranks + r->n_columns * QC_SLICE;
    ptrdiff_t known = -1; /* the feature whose codes are there */
    for (ptrdiff_t set = 0; set < c->n_sets; ++set, to += QC_SLICE) {
        const ptrdiff_t categorical = c->set_feature[set];
        if (categorical != known) {
            const ptrdiff_t feature = c->category_feature[categorical];
            for (ptrdiff_t row = 0; row < n_rows; ++row) {
                const ptrdiff_t at = row * c->n_features + feature;
                const double value = single ? (double)((const float *)x)[at] : ((const double *)x)[at];
                const double rounded = single || r->nearest ? value : (double)(float)value;
                if (c->rule == QC_CATEGORY_EQUAL && qc_refused(QC_REFUSE_INFINITE, rounded)) return 1;
                codes[row] = qc_code(c, categorical, rounded) + 2;
            }
            known = categorical;
        }
        const uint8_t *side = r->sides + r->sides_first[set];
        for (ptrdiff_t row = 0; row < n_rows; ++row) to[row] = side[codes[row]];
    }
    return 0;
}

#endif
