/* One row's hot scores and the sum of its spreads, 16 outputs at a time: over the lanes of simd_<isa>.h. The same operations in the
 * same order as those of rows.h, but that what belongs to a feature is read from one place. */
#include <math.h>
#include <string.h>

#include "kernels/sparse/entries.h"

/* Indices are below 2^31: of int64 the lower half is read. */
QC_INLINE const qc_feature *feature_of(const qc_csr *x, const qc_csr_labels *m, ptrdiff_t i) {
    if (x->wide_indices) return m->features + ((const int64_t *)x->indices)[i];
    return m->features + ((const int32_t *)x->indices)[i];
}

QC_INLINE float score_block(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, ptrdiff_t begin, ptrdiff_t end,
                            ptrdiff_t last, ptrdiff_t first, const int groups, float *out, const int doubles) {
    const char *rows = (const char *)w->rows + first;
    lanes sum[BLOCK];
    float spread = 0.0f;
    QC_UNROLL
    for (int g = 0; g < groups; ++g) sum[g] = lanes_zero();
    for (ptrdiff_t i = begin; i < end; ++i) {
        const qc_feature *feature = feature_of(x, m, i);
        const float given = (float)qc_csr_value(x, i, doubles);
        const lanes value = lanes_all(given * feature->scale);
        const char *row = rows + 16 * (size_t)feature->place;
        spread += fabsf(given) * feature->spread;
        if (m->prefetch && i + QC_AHEAD < last)
            qc_prefetch(rows + 16 * (size_t)feature_of(x, m, i + QC_AHEAD)->place, 16 * groups);
        QC_UNROLL
        for (int g = 0; g < groups; ++g) sum[g] = lanes_add(sum[g], lanes_mul(value, lanes_widened(row + 16 * g, QC_INT8)));
    }
    QC_UNROLL
    for (int g = 0; g < groups; ++g) lanes_store(out + QC_LANES * g, sum[g], QC_LANES);
    return spread;
}

/* `out` has room for a multiple of QC_LANES. */
QC_INLINE float score_row(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, ptrdiff_t begin, ptrdiff_t end,
                          ptrdiff_t last, float *out, const int doubles) {
    const ptrdiff_t wide = BLOCK * QC_LANES;
    ptrdiff_t first = 0, left = m->n_outputs;
    for (; left > wide; first += wide, left -= wide)
        score_block(x, m, w, begin, end, last, first, BLOCK, out + first, doubles);
    switch ((left + QC_LANES - 1) / QC_LANES) {
#define QC_CASE(groups)                                                                                     \
    case groups:                                                                                            \
        return score_block(x, m, w, begin, end, last, first, groups <= BLOCK ? groups : BLOCK, out + first, doubles);
        QC_CASE(1)
        QC_CASE(2)
        QC_CASE(3)
        QC_CASE(4)
        QC_CASE(5)
#if BLOCK > 6
        QC_CASE(6)
        QC_CASE(7)
        QC_CASE(8)
        QC_CASE(9)
        QC_CASE(10)
        QC_CASE(11)
        QC_CASE(12)
        QC_CASE(13)
        QC_CASE(14)
        QC_CASE(15)
#endif
#undef QC_CASE
    default:
        return score_block(x, m, w, begin, end, last, first, BLOCK, out + first, doubles);
    }
}
