#include "kernels/sparse/simd_avx2.h"

#include "kernels/sparse/bits.h"

QC_INLINE lanes lanes_max(lanes x, lanes y) { return (lanes){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
QC_INLINE lanes lanes_min(lanes x, lanes y) { return (lanes){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
QC_INLINE float lanes_most(lanes x) {
    const __m256 eight = _mm256_max_ps(x.a, x.b);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 both = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(both, _mm_movehdup_ps(both)));
}
QC_INLINE uint32_t lanes_equal(lanes x, float y) {
    const __m256 all = _mm256_set1_ps(y);
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(x.a, all, _CMP_EQ_OQ));
    return (uint32_t)(low | _mm256_movemask_ps(_mm256_cmp_ps(x.b, all, _CMP_EQ_OQ)) << 8);
}

#include "kernels/sparse/best.h"
#include "kernels/sparse/score_row.h"
#include "kernels/sparse/labels_rows.h"

ptrdiff_t qc_labels_rows_float32_avx2(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    return labels_of_scores(x, m, scores, r);
}

ptrdiff_t qc_labels_rows_int8_avx2(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch, qc_csr_result *r) {
    return labels_of_rows(x, m, w, scratch, r);
}
