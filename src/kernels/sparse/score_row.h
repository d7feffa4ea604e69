/* One row's hot scores and the sum of its spreads, 16 outputs at a time: over the lanes of simd_<isa>.h. The same operations in the
 * same order as those of rows.h, but that what belongs to a feature is read from one place. */
#include <math.h>
#include <string.h>

#include "kernels/sparse/entries.h"

/* Indices are below 2^31: of int64 the lower half is read, so that no loop asks how wide they are. */
QC_INLINE const qc_feature *feature_of(const qc_csr *x, const qc_feature *features, ptrdiff_t i) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    const char *index = (const char *)x->indices + 4 * x->wide_indices;
#else
    const char *index = (const char *)x->indices;
#endif
    uint32_t id;
    memcpy(&id, index + ((size_t)i << (2 + x->wide_indices)), sizeof id);
    return features + id;
}

QC_INLINE float score_block(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, ptrdiff_t begin, ptrdiff_t end,
                            ptrdiff_t last, ptrdiff_t first, const int groups, float *out, const int doubles, const int ahead) {
    const char *rows = (const char *)w->rows + first;
    const qc_feature *features = m->features;
    lanes sum[BLOCK];
    float spread = 0.0f;
    QC_UNROLL
    for (int g = 0; g < groups; ++g) sum[g] = lanes_zero();
    for (ptrdiff_t i = begin; i < end; ++i) {
        const qc_feature *feature = feature_of(x, features, i);
        const float given = (float)qc_csr_value(x, i, doubles);
        const lanes value = lanes_all(given * feature->scale);
        const char *row = rows + 16 * (size_t)feature->place;
        spread += fabsf(given) * feature->spread;
        if (ahead && i + QC_AHEAD < last)
            qc_prefetch(rows + 16 * (size_t)feature_of(x, features, i + QC_AHEAD)->place, 16 * groups);
        QC_UNROLL
        for (int g = 0; g < groups; ++g) sum[g] = lanes_add(sum[g], lanes_mul(value, lanes_widened(row + 16 * g, QC_INT8)));
    }
    QC_UNROLL
    for (int g = 0; g < groups; ++g) lanes_store(out + QC_LANES * g, sum[g], QC_LANES);
    return spread;
}

/* Each number of groups has functions of its own, which leaves all registers to it. */
#define QC_SCORE(groups, doubles, ahead)                                                                                      \
    QC_NOINLINE float score_##groups##_##doubles##ahead(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w,            \
                                                        ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last, ptrdiff_t first,      \
                                                        float *out) {                                                         \
        return score_block(x, m, w, begin, end, last, first, groups, out, doubles, ahead);                                    \
    }
#define QC_SCORES(groups) QC_SCORE(groups, 0, 0) QC_SCORE(groups, 0, 1) QC_SCORE(groups, 1, 0) QC_SCORE(groups, 1, 1)
#if BLOCK == 16
#define QC_EACH(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16)
#else /* 6 */
#define QC_EACH(F) F(1) F(2) F(3) F(4) F(5) F(6)
#endif
QC_EACH(QC_SCORES)

typedef float score_fn(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t last,
                       ptrdiff_t first, float *out);
#define QC_NAMES(groups) {{score_##groups##_00, score_##groups##_01}, {score_##groups##_10, score_##groups##_11}},
static score_fn *const score_of[BLOCK][2][2] = {QC_EACH(QC_NAMES)};

/* `out` has room for a multiple of QC_LANES. */
QC_INLINE float score_row(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, ptrdiff_t begin, ptrdiff_t end,
                          ptrdiff_t last, float *out, const int doubles, const int ahead) {
    ptrdiff_t first = 0, left = (m->n_outputs + QC_LANES - 1) / QC_LANES;
    for (; left > BLOCK; first += BLOCK * QC_LANES, left -= BLOCK)
        score_of[BLOCK - 1][doubles][ahead](x, m, w, begin, end, last, first, out + first);
    return score_of[left - 1][doubles][ahead](x, m, w, begin, end, last, first, out + first);
}
