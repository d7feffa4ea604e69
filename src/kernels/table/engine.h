/* The pass, written once over the sixteen lanes of simd_<isa>.h. README.md has the order of every sum. */
#ifndef QC_TABLE_ENGINE_H
#define QC_TABLE_ENGINE_H

#include <math.h>
#include <string.h>

typedef struct {
    float *values;   /* TILE_ROWS x padded */
    float *sums;     /* TILE_ROWS x n_outputs */
    double *exact;   /* padded: one row for the fine plane */
    double *row;     /* padded: a row whose columns were chosen or filled */
    float bound[QC_TABLE_LANES]; /* of TILE_ROWS rows */
} workspace;

static void carve(const qc_table *t, void *scratch, workspace *w) {
    float *at = scratch;
    w->values = at;
    at += QC_TABLE_ROWS * t->padded;
    w->sums = at;
    at += (QC_TABLE_ROWS * t->n_outputs + 15) / 16 * 16;
    w->exact = (double *)(void *)at;
    w->row = w->exact + t->padded;
}

/* ------------------------------------------------------------------ values */

QC_INLINE int is_finite(double x) { return x - x == 0.0; }

/* A row with its columns chosen and its gaps filled, padded with zeros; 0 if a value is not finite. */
static int gathered(const qc_table *t, const void *x, const int single, double *row) {
    const float *narrow = x;
    const double *wide = x;
    double sum = 0.0; /* of zeros, or NaN */
    if (t->column || t->clipped)
        for (ptrdiff_t i = 0; i < t->n_columns; ++i) {
            const double v = single ? (double)narrow[i] : wide[i];
            if (!is_finite(v) && !(v != v && t->fill[single] && t->missing_is_nan)) return 0;
        }
    for (ptrdiff_t j = 0; j < t->n_features; ++j) {
        const ptrdiff_t i = t->column ? (ptrdiff_t)t->column[j] : j;
        double v = single ? (double)narrow[i] : wide[i];
        if (t->fill[single] && (t->missing_is_nan ? v != v : v == t->missing)) v = t->fill[single][j];
        sum += v - v;
        row[j] = v;
    }
    for (ptrdiff_t j = t->n_features; j < t->padded; ++j) row[j] = 0.0;
    return sum == 0.0;
}

static int all_finite(const void *x, const int single, ptrdiff_t n) {
    int finite = 1;
    for (ptrdiff_t i = 0; i < n; ++i) finite &= is_finite(single ? (double)((const float *)x)[i] : ((const double *)x)[i]);
    return finite;
}

/* The scaler's steps, each rounded as the source rounds it, and the gain. */
QC_INLINE d16 scaled(const qc_table *t, d16 v, const int single, ptrdiff_t j) {
    if (t->steps == QC_SHIFT) {
        v = d16_sub(v, d16_load(t->shift[single] + j));
        if (single) v = d16_round(v);
    } else if (t->steps == QC_PRODUCT) {
        v = d16_mul(v, d16_load(t->scale[single] + j));
        if (single) v = d16_round(v);
        v = d16_add(v, d16_load(t->shift[single] + j));
        if (single) v = d16_round(v);
        if (t->clipped) v = d16_clip(v, t->low[single], t->high[single]);
    }
    return d16_mul(v, d16_load(t->gain + j));
}

/* Sixteen values from feature j on, zeros beyond the last; `wide` says in what they are held, `single` to what the source rounds. */
QC_INLINE d16 block(const qc_table *t, const void *x, const int wide, const int single, ptrdiff_t j) {
    const ptrdiff_t left = t->n_features - j;
    if (wide) return scaled(t, left < 16 ? d16_load_part((const double *)x + j, left) : d16_load((const double *)x + j), single, j);
    return scaled(t, left < 16 ? d16_widen_part((const float *)x + j, left) : d16_widen((const float *)x + j), single, j);
}

/* Sixteen values of a float32 row from feature j on, all steps in float32. */
QC_INLINE f16 narrow_block(const qc_table *t, const float *x, ptrdiff_t j) {
    const ptrdiff_t left = t->n_features - j;
    f16 v = left < 16 ? f16_load_part(x + j, left) : f16_load(x + j);
    if (t->steps == QC_SHIFT) v = f16_sub(v, f16_load(t->shift32 + j));
    else if (t->steps == QC_PRODUCT) v = f16_add(f16_mul(v, f16_load(t->scale32 + j)), f16_load(t->shift32 + j));
    return f16_mul(v, f16_load(t->gain32 + j));
}

/* A row's values for the hot plane; the sum of the result's lanes bounds the error of its scores. */
QC_INLINE f16 hot_values(const qc_table *t, const void *x, const int wide, const int single, float *values) {
    const float *unit = t->hot_bound[single];
    f16 bound = f16_zero();
    if (single && !wide && t->gain32) {
        for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
            const f16 v = narrow_block(t, x, j);
            f16_store(values + j, v);
            bound = f16_add(bound, f16_mul(f16_abs(v), f16_load(unit + j)));
        }
        return bound;
    }
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const f16 v = d16_narrow(block(t, x, wide, single, j));
        f16_store(values + j, v);
        bound = f16_add(bound, f16_mul(f16_abs(v), f16_load(unit + j)));
    }
    return bound;
}

QC_INLINE double fine_values(const qc_table *t, const void *x, const int wide, const int single, double *values) {
    const double *unit = t->fine_bound[single];
    d16 bound = d16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const d16 v = block(t, x, wide, single, j);
        d16_store(values + j, v);
        bound = d16_add(bound, d16_mul(d16_abs(v), d16_load(unit + j)));
    }
    return d16_sum(bound);
}

/* ------------------------------------------------------------------ scores */

/* n_rows x n_outputs sums, both constant where this is inlined, so that they stay in registers. */
QC_INLINE void tile(const qc_table *t, const float *values, float *sums, ptrdiff_t first, const int n_rows, const int n_outputs) {
    f16 sum[2 * QC_TABLE_LANES];
    const float *weights = t->hot + first * t->padded;
    QC_UNROLL
    for (int i = 0; i < n_rows * n_outputs; ++i) sum[i] = f16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        f16 w[QC_TABLE_ROWS];
        QC_UNROLL
        for (int k = 0; k < n_outputs; ++k) w[k] = f16_load(weights + k * t->padded + j);
        QC_UNROLL
        for (int r = 0; r < n_rows; ++r) {
            const f16 v = f16_load(values + r * t->padded + j);
            QC_UNROLL
            for (int k = 0; k < n_outputs; ++k) sum[r * n_outputs + k] = f16_add(sum[r * n_outputs + k], f16_mul(v, w[k]));
        }
    }
    float found[2 * QC_TABLE_LANES];
    f16_sums(sum, n_rows * n_outputs, found);
    QC_UNROLL
    for (int r = 0; r < n_rows; ++r) {
        QC_UNROLL
        for (int k = 0; k < n_outputs; ++k) sums[r * t->n_outputs + first + k] = found[r * n_outputs + k];
    }
}

static void hot_scores(const qc_table *t, const float *values, float *sums) {
    ptrdiff_t k = 0;
    for (; k + TILE_OUTPUTS <= t->n_outputs; k += TILE_OUTPUTS) tile(t, values, sums, k, TILE_ROWS, TILE_OUTPUTS);
    if (TILE_OUTPUTS > 2 && k + 2 == t->n_outputs) tile(t, values, sums, k, TILE_ROWS, 2), k += 2;
    for (; k < t->n_outputs; ++k) tile(t, values, sums, k, TILE_ROWS, 1);
}

static void hot_scores_row(const qc_table *t, const float *values, float *sums) {
    ptrdiff_t k = 0;
    for (; k + ROW_OUTPUTS <= t->n_outputs; k += ROW_OUTPUTS) tile(t, values, sums, k, 1, ROW_OUTPUTS);
    if (ROW_OUTPUTS > 2)
        for (; k + 2 <= t->n_outputs; k += 2) tile(t, values, sums, k, 1, 2);
    for (; k < t->n_outputs; ++k) tile(t, values, sums, k, 1, 1);
}

static double fine_score(const qc_table *t, const double *values, ptrdiff_t k) {
    d16 sum = d16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const d16 w = t->fine ? d16_load(t->fine + k * t->padded + j) : d16_widen(t->hot + k * t->padded + j);
        sum = d16_add(sum, d16_mul(d16_load(values + j), w));
    }
    return d16_sum(sum) + t->bias[k];
}

/* ---------------------------------------------------------------- decision */

typedef struct {
    ptrdiff_t best;
    double first, second; /* the best score and the next; one output: the score, and what it is compared with */
} ranking;

QC_INLINE int proved(const qc_table *t, const ranking *found, double bound, const int single, double slack) {
    const double size = fabs(found->first) + fabs(found->second) + 2.0 * t->bias_max;
    const double pair = t->n_outputs > 1 ? 2.0 * bound : bound;
    const double apart = t->n_outputs > 1 ? found->first - found->second : fabs(found->first - found->second);
    /* 1 + 2^-9 makes up for the roundings of the bound's own sum; false for NaN */
    return apart > pair * (1.0 + 0x1p-9) + size * t->last[single] + slack && bound < t->most[single];
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

static int all_zero(const double *values, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; ++j)
        if (values[j] != 0.0) return 0;
    return 1;
}

/* A row that the hot plane did not settle; 0 if a value of it is not finite. */
static int settle(const qc_table *t, const void *x, const int wide, const int single, const workspace *w, const float *sums,
                  double hot_bound, ptrdiff_t row, qc_table_result *r) {
    if (!t->checked && !all_finite(x, single, t->n_columns)) return 0;
    const double bound = fine_values(t, x, wide, single, w->exact);
    ranking found;
    int sure;
    if (bound == 0.0 && all_zero(w->exact, t->n_features)) { /* the source adds its biases to 0 exactly */
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

/* ---------------------------------------------------------------- the pass */

QC_INLINE ptrdiff_t run(const qc_table *t, const void *x, const int single, ptrdiff_t n_rows, void *scratch,
                        qc_table_result *r) {
    workspace w;
    carve(t, scratch, &w);
    const char *rows = x;
    const ptrdiff_t stride = t->n_columns * (single ? 4 : 8);
    if (r->job == QC_TABLE_SCORES) {
        for (ptrdiff_t row = 0; row < n_rows; ++row) {
            const void *at = rows + row * stride;
            if (t->checked) {
                if (!gathered(t, at, single, w.row)) return row;
            } else if (!all_finite(at, single, t->n_columns)) {
                return row;
            }
            const double bound = t->checked ? fine_values(t, w.row, 1, single, w.exact) : fine_values(t, at, !single, single, w.exact);
            double size = t->bias_max;
            for (ptrdiff_t k = 0; k < t->n_outputs; ++k) {
                const double score = fine_score(t, w.exact, k);
                r->scores[row * t->n_outputs + k] = score;
                size = fabs(score) > size ? fabs(score) : size;
            }
            if (r->bounds)
                r->bounds[row] = bound < t->most[single]
                                     ? bound * (1.0 + 0x1p-9) + 2.0 * size * t->last[single] + t->fine_slack[single]
                                     : INFINITY;
        }
        return -1;
    }
    f16 bounds[QC_TABLE_ROWS];
    for (ptrdiff_t row = 0; row < n_rows;) {
        const ptrdiff_t n = n_rows - row >= TILE_ROWS ? TILE_ROWS : 1;
        for (ptrdiff_t i = 0; i < n; ++i) {
            const void *at = rows + (row + i) * stride;
            if (!t->checked) {
                bounds[i] = hot_values(t, at, !single, single, w.values + i * t->padded);
            } else {
                if (!gathered(t, at, single, w.row)) return row + i;
                bounds[i] = hot_values(t, w.row, 1, single, w.values + i * t->padded);
            }
        }
        if (n == TILE_ROWS) f16_sums(bounds, TILE_ROWS, w.bound);
        else w.bound[0] = f16_sum(bounds[0]);
        if (n == TILE_ROWS) hot_scores(t, w.values, w.sums);
        else hot_scores_row(t, w.values, w.sums);
        for (ptrdiff_t i = 0; i < n; ++i) {
            const float *sums = w.sums + i * t->n_outputs;
            const ranking found = hot_ranking(t, sums);
            if (proved(t, &found, w.bound[i], single, t->hot_slack[single])) {
                r->labels[row + i] = (int32_t)found.best;
                r->planes[row + i] = 0;
                continue;
            }
            const void *at = rows + (row + i) * stride;
            if (t->checked) gathered(t, at, single, w.row);
            const int finite = t->checked ? settle(t, w.row, 1, single, &w, sums, w.bound[i], row + i, r)
                                          : settle(t, at, !single, single, &w, sums, w.bound[i], row + i, r);
            if (!finite) return row + i;
        }
        row += n;
    }
    return -1;
}

#endif
