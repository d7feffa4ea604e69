#include "kernels/sparse/exact_simd_avx2.h"

#include "kernels/sparse/exact_rows.h"

void qc_exact_rows_float64_avx2(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes) {
    exact(x, w, norms, out, sizes, QC_EXACT_FLOAT64);
}

void qc_exact_rows_int16_avx2(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes) {
    exact(x, w, norms, out, sizes, QC_EXACT_INT16);
}

void qc_exact_rows_int32_avx2(const qc_csr *x, const qc_exact_rows *w, const double *norms, double *out, double *sizes) {
    exact(x, w, norms, out, sizes, QC_EXACT_INT32);
}
