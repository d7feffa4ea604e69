#include "kernels/dense/sweep.h"

/* Plain sums, as the definition has them. A span is short enough for int32: 64 blocks of 128 products of 128 * 7, or of 64 of
 * 128 * 127. */
QC_INLINE void int8_one(const qc_dense *w, const qc_part *part, ptrdiff_t row, int c) {
    const ptrdiff_t count = qc_feature_count(w, part, QC_BLOCK);
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, QC_BLOCK);
    const int8_t *q = (const int8_t *)part->blocks + c * QC_BLOCK;
    int32_t sum = 0;
    ptrdiff_t i = 0;
    for (; i + QC_BLOCK <= count; i += QC_BLOCK, q += part->width * QC_BLOCK)
        for (int j = 0; j < QC_BLOCK; ++j) sum += x[i + j] * q[j];
    for (int j = 0; i + j < count; ++j) sum += x[i + j] * q[j];
    qc_add_sum(w, part, row, part->output + c, sum);
}

QC_INLINE void int4_one(const qc_dense *w, const qc_part *part, ptrdiff_t row, int c) {
    const ptrdiff_t count = qc_feature_count(w, part, 2 * QC_BLOCK);
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, 2 * QC_BLOCK);
    const uint8_t *q = part->blocks + c * QC_BLOCK;
    int32_t sum = 0;
    ptrdiff_t i = 0;
    for (; i + 2 * QC_BLOCK <= count; i += 2 * QC_BLOCK, q += part->width * QC_BLOCK) {
        for (int j = 0; j < QC_BLOCK; ++j) sum += x[i + j] * ((q[j] & 15) - 8);
        for (int j = 0; j < QC_BLOCK; ++j) sum += x[i + QC_BLOCK + j] * ((q[j] >> 4) - 8);
    }
    for (int j = 0; j < QC_BLOCK && i + j < count; ++j) sum += x[i + j] * ((q[j] & 15) - 8);
    for (int j = 0; i + QC_BLOCK + j < count; ++j) sum += x[i + QC_BLOCK + j] * ((q[j] >> 4) - 8);
    qc_add_sum(w, part, row, part->output + c, sum);
}

QC_INLINE void int16_one(const qc_dense *w, const qc_part *part, ptrdiff_t row, int c) {
    enum { PER_BLOCK = QC_BLOCK / 2 };
    const ptrdiff_t count = qc_feature_count(w, part, PER_BLOCK);
    const int16_t *x = (const int16_t *)part->x + row * w->n_features + qc_first_feature(part, PER_BLOCK);
    const int16_t *q = (const int16_t *)(part->blocks + c * QC_BLOCK);
    int64_t sum = 0;
    ptrdiff_t i = 0;
    for (; i + PER_BLOCK <= count; i += PER_BLOCK, q += part->width * PER_BLOCK)
        for (int j = 0; j < PER_BLOCK; ++j) sum += x[i + j] * q[j];
    for (int j = 0; i + j < count; ++j) sum += x[i + j] * q[j];
    qc_add_sum64(w, part, row, part->output + c, sum);
}

QC_EACH(int8)
QC_EACH(int4)
QC_EACH(int16)

void qc_dot_int8_scalar(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int8_part);
}

void qc_dot_int4_scalar(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int4_part);
}

void qc_dot_int16_scalar(const qc_dense *w, const int16_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, 2 * w->n_features, QC_SPAN, 0, out, int16_part);
}
