#include <arm_neon.h>

#include "kernels/common.h"

QC_INLINE int32x4_t products(int32x4_t sum, int8x16_t x, int8x16_t w) { return vdotq_s32(sum, x, w); }

#include "kernels/dense/dot_neon.h"

QC_PART(int8_part, int8_tile, 4, 8)
QC_PART(int4_part, int4_tile, 4, 8)

void qc_dot_int8_dotprod(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int8_part);
}

void qc_dot_int4_dotprod(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int4_part);
}
