/* Ranks in plain C: #define QC_TREES_ISA, then include. */
#include "kernels/trees/name.h"
#include "kernels/trees/ranks.h"

#define QC_RANKS(name, type, single)                                                                                      \
    int QC_TREES_NAME(qc_ranks_blocks_##name)(const qc_ranks *r, const type *x, ptrdiff_t n_rows, uint8_t *ranks,         \
                                              int32_t *codes) {                                                           \
        const ptrdiff_t width = r->columns->n_features;                                                                   \
        const int rounded = !single && !r->nearest;                                                                       \
        if (r->refused) {                                                                                                 \
            for (ptrdiff_t i = 0; i < n_rows * width; ++i)                                                                \
                if (qc_refused(r->refused, (double)(float)x[i])) return 1;                                                \
        }                                                                                                                 \
        for (ptrdiff_t column = 0; column < r->n_columns; ++column) {                                                     \
            const type *from = x + r->feature[column];                                                                    \
            uint8_t *to = ranks + column * QC_SLICE;                                                                      \
            for (ptrdiff_t row = 0; row < n_rows; ++row, from += width)                                                   \
                to[row] = qc_rank(r, column, rounded ? (double)(float)*from : (double)*from);                             \
        }                                                                                                                 \
        return qc_set_columns(r, x, single, n_rows, ranks, codes);                                                        \
    }

QC_RANKS(float32, float, 1)
QC_RANKS(float64, double, 0)
