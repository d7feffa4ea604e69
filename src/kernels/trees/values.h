/* The values of one row's columns in float32: missing ones stand left of every threshold, or (NaN) right of all. */
#ifndef QC_TREES_VALUES_H
#define QC_TREES_VALUES_H

#include <math.h>

#include "kernels/trees/categories.h"

/* Whether a row of float32 or float64 holds what `rule` (QC_REFUSE_...) refuses: after rounding to float32, so that large values
 * of float64 need another look. */
#define QC_ROW_VALUES(name, type)                                                                                         \
    QC_INLINE int qc_row_refused_##name(const type *x, ptrdiff_t n, int rule) {                                           \
        int nan = 0, infinite = 0;                                                                                        \
        if (!rule) return 0;                                                                                              \
        for (ptrdiff_t i = 0; i < n; ++i) {                                                                               \
            const float value = (float)x[i];                                                                              \
            nan |= value != value;                                                                                        \
            infinite |= value == INFINITY || value == -INFINITY;                                                          \
        }                                                                                                                 \
        return (nan && (rule & QC_REFUSE_NAN)) || (infinite && (rule & QC_REFUSE_INFINITE));                              \
    }                                                                                                                     \
                                                                                                                          \
    /* 1 where more than float32 is needed to tell; -1 where a category is refused. `wide`: thresholds are float64. */     \
    QC_INLINE int qc_row_values_##name(const qc_columns *c, const type *x, int wide, float *values, int32_t *codes) {     \
        int unclear = 0, refused = 0;                                                                                     \
        for (ptrdiff_t j = 0; j < c->n_columns; ++j) {                                                                    \
            const float value = (float)x[c->feature[j]];                                                                  \
            const int zero = (c->missing[j] & QC_TREES_ZERO) && value <= 1e-35f && value >= -1e-35f;                      \
            unclear |= zero && (value == 1e-35f || value == -1e-35f);                                                     \
            values[j] = value != value || zero ? (c->missing[j] & QC_TREES_LEFT ? -INFINITY : NAN) : value;               \
        }                                                                                                                 \
        values += c->n_columns;                                                                                           \
        for (ptrdiff_t j = 0; j < c->n_categorical; ++j) {                                                                \
            const double value = wide ? (double)x[c->category_feature[j]] : (double)(float)x[c->category_feature[j]];     \
            refused |= c->rule == QC_CATEGORY_EQUAL && (value == INFINITY || value == -INFINITY);                         \
            codes[j] = qc_code(c, j, value);                                                                              \
        }                                                                                                                 \
        for (ptrdiff_t j = 0; j < c->n_sets; ++j)                                                                         \
            values[j] = qc_code_left(c, j, codes[c->set_feature[j]]) ? -INFINITY : NAN;                                   \
        return refused ? -1 : unclear && wide && sizeof *x == 8;                                                          \
    }

QC_ROW_VALUES(float32, float)
QC_ROW_VALUES(float64, double)

#endif
