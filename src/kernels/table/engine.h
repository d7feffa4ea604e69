/* The pass, written once over the sixteen lanes of simd_<isa>.h. */
#ifndef QC_TABLE_ENGINE_H
#define QC_TABLE_ENGINE_H

#include "kernels/table/decide.h"

QC_INLINE ptrdiff_t run_scores(const qc_table *t, const void *x, const int single, ptrdiff_t n_rows, const workspace *w,
                               qc_table_result *r) {
    for (ptrdiff_t row = 0; row < n_rows; ++row) {
        const void *at = (const char *)x + row * t->n_columns * (single ? 4 : 8);
        double bound;
        if (t->checked) {
            if (!gathered(t, at, single, w->row)) return row;
            bound = fine_values(t, w->row, 1, single, w->exact);
        } else {
            if (!all_finite(at, single, t->n_columns)) return row;
            bound = fine_values(t, at, !single, single, w->exact);
        }
        double size = t->bias_max;
        for (ptrdiff_t k = 0; k < t->n_outputs; ++k) {
            const double score = fine_score(t, w->exact, k);
            r->scores[row * t->n_outputs + k] = score;
            size = fabs(score) > size ? fabs(score) : size;
        }
        if (r->bounds) {
            const double whole = bound * (1.0 + 0x1p-9) + 2.0 * size * t->last[single] + t->fine_slack[single];
            r->bounds[row] = bound < t->most[single] ? whole : INFINITY;
            if (bound == 0.0 && (t->checked ? is_zero(t, w->row, 1, single) : is_zero(t, at, !single, single)))
                r->bounds[row] = 0.0; /* the source adds its biases to 0 exactly */
        }
    }
    return -1;
}

/* A row's values for the hot planes, whatever has to be done to it; 0 if a value that was looked at is not finite. */
QC_INLINE int values_of(const qc_table *t, const void *at, const int single, const workspace *w, float *values, f16 *most) {
    if (t->checked) {
        if (!gathered(t, at, single, w->row)) return 0;
        *most = hot_values(t, w->row, 1, single, values);
    } else {
        *most = hot_values(t, at, !single, single, values);
    }
    return 1;
}

/* A row that its hot scores, -inf for outputs that are out of play, may settle; 0 if a value is not finite. NaN among the values
 * is in all scores, and proves nothing. */
QC_INLINE int decide(const qc_table *t, const void *at, const int single, const workspace *w, const float *values,
                     const float *sums, float most, int plane, ptrdiff_t row, qc_table_result *r) {
    const ranking found = hot_ranking(t, sums);
    int sure = proved(t, &found, most, single, t->hot_slack[single]);
    float bound = most;
    if (!sure) {
        bound = hot_bound(t, values, single);
        sure = proved(t, &found, bound, single, t->hot_slack[single]);
    }
    if (sure) {
        r->labels[row] = (int32_t)found.best;
        r->planes[row] = (uint8_t)plane;
        r->fine += (uint64_t)plane;
        return 1;
    }
    if (!t->checked) return settle(t, at, !single, single, w, sums, bound, row, r);
    gathered(t, at, single, w->row);
    return settle(t, w->row, 1, single, w, sums, bound, row, r);
}

#include "kernels/table/plane.h"

QC_INLINE ptrdiff_t run_labels(const qc_table *t, const void *x, const int single, ptrdiff_t n_rows, workspace *w,
                               qc_table_result *r) {
    const char *rows = x;
    const ptrdiff_t stride = t->n_columns * (single ? 4 : 8);
    const f16 unit = f16_load(t->lane_bound[single]);
    f16 bounds[TILE_ROWS];
    for (ptrdiff_t row = 0; row < n_rows;) {
        const ptrdiff_t n = n_rows - row >= TILE_ROWS ? TILE_ROWS : 1;
        for (ptrdiff_t i = 0; i < n; ++i) {
            f16 most;
            if (!values_of(t, rows + (row + i) * stride, single, w, w->values + i * t->padded, &most)) return row + i;
            bounds[i] = f16_mul(most, unit);
        }
        if (n == TILE_ROWS) {
            f16_sums(bounds, TILE_ROWS, w->most);
            hot_scores(t, w->values, w->sums);
        } else {
            w->most[0] = f16_sum(bounds[0]);
            hot_scores_row(t, w->values, w->sums);
        }
        for (ptrdiff_t i = 0; i < n; ++i)
            if (!decide(t, rows + (row + i) * stride, single, w, w->values + i * t->padded, w->sums + i * t->n_outputs, w->most[i],
                        0, row + i, r))
                return row + i;
        row += n;
    }
    return -1;
}

QC_INLINE ptrdiff_t run(const qc_table *t, const void *x, const int single, ptrdiff_t n_rows, void *scratch,
                        qc_table_result *r) {
    workspace w;
    carve(t, scratch, &w);
    if (r->job == QC_TABLE_SCORES) return run_scores(t, x, single, n_rows, &w, r);
    return QC_CERTIFICATE(t->plane.blocks != NULL, 0) ? run_plane(t, x, single, n_rows, &w, r) : run_labels(t, x, single, n_rows, &w, r);
}

#endif
