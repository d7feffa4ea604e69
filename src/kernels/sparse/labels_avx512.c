#include "kernels/sparse/simd_avx512.h"

#include "kernels/sparse/bits.h"

QC_INLINE lanes lanes_max(lanes a, lanes b) { return _mm512_max_ps(a, b); }
QC_INLINE lanes lanes_min(lanes a, lanes b) { return _mm512_min_ps(a, b); }
QC_INLINE float lanes_most(lanes a) { return _mm512_reduce_max_ps(a); }
QC_INLINE uint32_t lanes_equal(lanes a, float x) { return _mm512_cmpeq_ps_mask(a, _mm512_set1_ps(x)); }

#include "kernels/sparse/best.h"
#include "kernels/sparse/score_row.h"
#include "kernels/sparse/labels_rows.h"

ptrdiff_t qc_labels_rows_float32_avx512(const qc_csr *x, const qc_csr_labels *m, const float *scores, qc_csr_result *r) {
    return labels_of_scores(x, m, scores, r);
}

ptrdiff_t qc_labels_rows_int8_avx512(const qc_csr *x, const qc_csr_labels *m, const qc_rows *w, float *scratch, qc_csr_result *r) {
    return labels_of_rows(x, m, w, scratch, r);
}
