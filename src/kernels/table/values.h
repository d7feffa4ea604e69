/* A row as it comes → the values that weights are multiplied by, and the bound that goes with them. */
#ifndef QC_TABLE_VALUES_H
#define QC_TABLE_VALUES_H

#include <math.h>
#include <string.h>

typedef struct {
    float *values;   /* QC_TABLE_ROWS x padded */
    float *sums;     /* QC_TABLE_ROWS x n_outputs */
    double *exact;   /* padded: one row for the fine plane */
    double *row;     /* padded: a row whose columns were chosen or filled */
    float most[QC_TABLE_ROWS];  /* what the largest values of a row make its bound at most */
    /* For the int8 plane: */
    int8_t *steps;   /* QC_TABLE_ROWS x plane.n_features */
    int32_t *dots;   /* QC_TABLE_ROWS x n_outputs, and room for 16 more */
    float *upper;    /* n_outputs, padded: the most that each score may be */
    uint32_t *play;  /* n_outputs: outputs that may be the best */
} workspace;

static void carve(const qc_table *t, void *scratch, workspace *w) {
    const size_t outputs = qc_table_up(t->n_outputs, QC_TABLE_LANES);
    w->values = scratch;
    w->sums = w->values + QC_TABLE_ROWS * t->padded;
    w->exact = (double *)(void *)(w->sums + QC_TABLE_ROWS * outputs);
    w->row = w->exact + t->padded;
    w->upper = (float *)(void *)(w->row + t->padded);
    w->play = (uint32_t *)(void *)(w->upper + outputs);
    w->dots = (int32_t *)(void *)(w->play + outputs);
    w->steps = (int8_t *)(w->dots + 2 * QC_TABLE_ROWS * outputs);
}

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

/* The scaler's steps, each rounded as the source rounds it. */
QC_INLINE d16 stepped(const qc_table *t, d16 v, const int single, ptrdiff_t j) {
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
    return v;
}

/* Sixteen values from feature j on, zeros beyond the last; `wide` says in what they are held, `single` to what the source rounds. */
QC_INLINE d16 ungained(const qc_table *t, const void *x, const int wide, const int single, ptrdiff_t j) {
    const ptrdiff_t left = t->n_features - j;
    if (wide) return stepped(t, left < 16 ? d16_load_part((const double *)x + j, left) : d16_load((const double *)x + j), single, j);
    return stepped(t, left < 16 ? d16_widen_part((const float *)x + j, left) : d16_widen((const float *)x + j), single, j);
}

QC_INLINE d16 block(const qc_table *t, const void *x, const int wide, const int single, ptrdiff_t j) {
    return d16_mul(ungained(t, x, wide, single, j), d16_load(t->gain + j));
}

/* Whether all values are 0 to the source: what the gain takes to 0 is not. */
QC_INLINE int is_zero(const qc_table *t, const void *x, const int wide, const int single) {
    for (ptrdiff_t j = 0; j < t->n_features; j += QC_TABLE_LANES) {
        double v[QC_TABLE_LANES];
        d16_store(v, ungained(t, x, wide, single, j));
        for (ptrdiff_t i = 0; i < QC_TABLE_LANES && j + i < t->n_features; ++i)
            if (v[i] != 0.0) return 0;
    }
    return 1;
}

/* Sixteen values of a float32 row from feature j on, all steps in float32. */
QC_INLINE f16 narrow_block(const qc_table *t, const float *x, ptrdiff_t j) {
    const ptrdiff_t left = t->n_features - j;
    f16 v = left < 16 ? f16_load_part(x + j, left) : f16_load(x + j);
    if (t->steps == QC_SHIFT) v = f16_sub(v, f16_load(t->shift32 + j));
    else if (t->steps == QC_PRODUCT) v = f16_add(f16_mul(v, f16_load(t->scale32 + j)), f16_load(t->shift32 + j));
    return f16_mul(v, f16_load(t->gain32 + j));
}

/* A row's values for the hot plane; the result is the largest |value| of each lane. */
QC_INLINE f16 hot_values(const qc_table *t, const void *x, const int wide, const int single, float *values) {
    f16 most = f16_zero();
    const int narrow = single && !wide && t->gain32;
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES) {
        const f16 v = narrow ? narrow_block(t, x, j) : d16_narrow(block(t, x, wide, single, j));
        f16_store(values + j, v);
        most = QC_CERTIFICATE(f16_max(most, f16_abs(v)), most);
    }
    return most;
}

/* The bound on the error of a row's hot scores: less than what its largest values make of it, and rarely needed. */
static float hot_bound(const qc_table *t, const float *values, const int single) {
    const float *unit = t->hot_bound[single];
    f16 bound = f16_zero();
    for (ptrdiff_t j = 0; j < t->padded; j += QC_TABLE_LANES)
        bound = f16_add(bound, f16_mul(f16_abs(f16_load(values + j)), f16_load(unit + j)));
    return f16_sum(bound);
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

#endif
