/* Scores → the best output, and whether it is proved. */
#ifndef QC_TABLE_DECIDE_H
#define QC_TABLE_DECIDE_H

#include "kernels/table/scores.h"
#include "kernels/table/values.h"

typedef struct {
    ptrdiff_t best;
    double first, second; /* the best score and the next; one output: the score, and what it is compared with */
} ranking;

QC_INLINE int proved(const qc_table *t, const ranking *found, double bound, const int single, double slack) {
    const double size = fabs(found->first) + fabs(found->second) + 2.0 * t->bias_max;
    const double pair = t->n_outputs > 1 ? 2.0 * bound : bound;
    const double apart = t->n_outputs > 1 ? found->first - found->second : fabs(found->first - found->second);
    /* 1 + 2^-9 makes up for the roundings of the bound's own sum; false for NaN */
    return QC_CERTIFICATE(0, 1) || (apart > pair * (1.0 + 0x1p-9) + size * t->last[single] + slack && bound < t->most[single]);
}

/* Without branches: which output is best is what no predictor knows. */
QC_INLINE void rank(double score, ptrdiff_t k, ranking *found) {
    const double lower = score < found->first ? score : found->first;
    found->second = lower > found->second ? lower : found->second;
    found->best = score > found->first ? k : found->best;
    found->first = score > found->first ? score : found->first;
}

static ranking hot_ranking(const qc_table *t, const float *sums) {
    if (t->n_outputs == 1) {
        const double score = (double)sums[0] + t->bias[0];
        return (ranking){score > t->at, score, t->at};
    }
    ranking found = {0, -INFINITY, -INFINITY};
    for (ptrdiff_t k = 0; k < t->n_outputs; ++k) rank((double)sums[k] + t->bias[k], k, &found);
    return found;
}

/* Over the outputs that the hot plane leaves in play: those within its bound of its best. */
static ranking fine_ranking(const qc_table *t, const double *values, const float *sums, double within) {
    if (t->n_outputs == 1) {
        const double score = fine_score(t, values, 0);
        return (ranking){score > t->at, score, t->at};
    }
    const ranking hot = hot_ranking(t, sums);
    const double least = hot.first - within;
    ranking found = {0, -INFINITY, -INFINITY};
    for (ptrdiff_t k = 0; k < t->n_outputs; ++k)
        if (!((double)sums[k] + t->bias[k] < least)) rank(fine_score(t, values, k), k, &found);
    return found;
}

/* A row that the hot plane did not settle; 0 if a value of it is not finite. */
static int settle(const qc_table *t, const void *x, const int wide, const int single, const workspace *w, const float *sums,
                  double hot_bound, ptrdiff_t row, qc_table_result *r) {
    if (!t->checked && !all_finite(x, single, t->n_columns)) return 0;
    const double bound = fine_values(t, x, wide, single, w->exact);
    ranking found;
    int sure;
    if (bound == 0.0 && is_zero(t, x, wide, single)) { /* the source adds its biases to 0 exactly */
        found = (ranking){0, t->bias[0], t->at};
        if (t->n_outputs == 1) found.best = t->bias[0] > t->at;
        for (ptrdiff_t k = 1; k < t->n_outputs; ++k) rank(t->bias[k], k, &found);
        sure = 1;
    } else {
        const double best = hot_bound < t->most[single] ? hot_ranking(t, sums).first : INFINITY;
        double within = 2.0 * hot_bound * (1.0 + 0x1p-9) + t->hot_slack[single];
        within += (4.0 * fabs(best) + 2.0 * within + 4.0 * t->bias_max) * t->last[single];
        found = fine_ranking(t, w->exact, sums, within == within && within < INFINITY ? within : INFINITY);
        sure = proved(t, &found, bound, single, t->fine_slack[single]);
    }
    r->labels[row] = (int32_t)found.best;
    r->planes[row] = sure ? 1 : 2;
    r->fine += 1;
    r->open += !sure;
    return 1;
}

#endif
