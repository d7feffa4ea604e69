#include "kernels/sparse/simd_neon.h"

#include "kernels/sparse/rows.h"

void qc_scores_rows_int4_neon(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT4); }
void qc_scores_rows_int8_neon(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT8); }
void qc_scores_rows_int16_neon(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT16); }
void qc_scores_rows_float16_neon(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_FLOAT16); }
void qc_scores_rows_float32_neon(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_FLOAT32); }
