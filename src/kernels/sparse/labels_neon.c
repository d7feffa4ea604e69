#include "kernels/sparse/simd_neon.h"

#include "kernels/sparse/bits.h"

QC_INLINE lanes lanes_max(lanes x, lanes y) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vmaxq_f32(x.v[i], y.v[i]);
    return x;
}
QC_INLINE lanes lanes_min(lanes x, lanes y) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vminq_f32(x.v[i], y.v[i]);
    return x;
}
QC_INLINE float lanes_most(lanes x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.v[0], x.v[1]), vmaxq_f32(x.v[2], x.v[3])));
}
QC_INLINE uint32_t lanes_equal(lanes x, float y) {
    const uint32x4_t bits = {1, 2, 4, 8};
    uint32_t equal = 0;
    QC_UNROLL
    for (int i = 0; i < 4; ++i) equal |= vaddvq_u32(vandq_u32(vceqq_f32(x.v[i], vdupq_n_f32(y)), bits)) << 4 * i;
    return equal;
}

#include "kernels/sparse/best.h"
#include "kernels/sparse/score_row.h"
#include "kernels/sparse/labels_rows.h"

ptrdiff_t qc_labels_rows_float32_neon(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    return labels_of_scores(x, m, scores, r);
}

ptrdiff_t qc_labels_rows_int8_neon(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch, qc_csr_result *r) {
    return labels_of_rows(x, m, w, scratch, r);
}
