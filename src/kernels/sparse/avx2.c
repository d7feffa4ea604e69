#include "kernels/sparse/simd_avx2.h"

#include "kernels/sparse/rows.h"

void qc_scores_rows_int4_avx2(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT4); }
void qc_scores_rows_int8_avx2(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT8); }
void qc_scores_rows_int16_avx2(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT16); }
void qc_scores_rows_float16_avx2(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_FLOAT16); }
void qc_scores_rows_float32_avx2(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_FLOAT32); }
