#include <string.h>

#include "kernels/sparse/entries.h"

/* Exact for all finite numbers, subnormal ones too: the exponent is put right by a product with 2^112. */
static inline float half(uint16_t h) {
    const uint32_t magnitude = (uint32_t)(h & 0x7fffu) << 13, sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t bits;
    float x;
    memcpy(&x, &magnitude, sizeof x);
    x *= 0x1p112f;
    memcpy(&bits, &x, sizeof bits);
    bits |= sign;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Weight k of a row. */
QC_INLINE float weight(const char *row, ptrdiff_t k, const int dtype) {
    if (dtype == QC_INT8) return (float)((const int8_t *)row)[k];
    if (dtype == QC_INT16) return (float)((const int16_t *)row)[k];
    if (dtype == QC_FLOAT32) return ((const float *)row)[k];
    if (dtype == QC_FLOAT16) return half(((const uint16_t *)row)[k]);
    /* int4: 16 outputs are two words, of the even ones and of the odd ones */
    const uint32_t word = ((const uint32_t *)row)[k / 16 * 2 + k % 2];
    return (float)((int32_t)((word >> k % 16 / 2 * 4 & 15u) ^ 8u) - 8);
}

QC_INLINE void part(const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, const qc_rows *w, float *restrict out,
                    const int dtype) {
    if (fresh) memset(out, 0, (size_t)w->n_outputs * sizeof *out);
    for (ptrdiff_t n = begin; n < end; ++n) {
        const ptrdiff_t stored = qc_stored(e, n);
        const char *row = qc_row(w, stored);
        const float value = qc_value(e, w, n, stored);
        if (n + QC_AHEAD < e->last) qc_prefetch(qc_row(w, qc_stored(e, n + QC_AHEAD)), w->stride);
        ptrdiff_t k = 0;
        for (; k + 16 <= w->n_outputs; k += 16) /* a constant number of times, which the compiler unrolls */
            for (ptrdiff_t lane = 0; lane < 16; ++lane) out[k + lane] += value * weight(row, k + lane, dtype);
        for (; k < w->n_outputs; ++k) out[k] += value * weight(row, k, dtype);
    }
}

#include "kernels/sparse/each.h"

void qc_scores_rows_int4_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT4); }
void qc_scores_rows_int8_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT8); }
void qc_scores_rows_int16_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_INT16); }
void qc_scores_rows_float16_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_FLOAT16); }
void qc_scores_rows_float32_scalar(const qc_csr *x, const qc_rows *w, float *out) { scores(x, w, out, QC_FLOAT32); }
