#include "kernels/dense/sweep.h"
#include "kernels/pack/pack.h"

enum { LANES = 16 };

/* Weights 16 * part .. 16 * part + 15 of a block, as float32. */
QC_INLINE void widen_float32(const uint8_t *block, int part, float *w) { memcpy(w, block + 4 * LANES * part, 4 * LANES); }

QC_INLINE void widen_float16(const uint8_t *block, int part, float *w) {
    const uint16_t *h = (const uint16_t *)block + LANES * part;
    for (int i = 0; i < LANES; ++i) w[i] = qc_from_float16(h[i]);
}

QC_INLINE void widen_int8(const uint8_t *block, int part, float *w) {
    const int8_t *q = (const int8_t *)block + LANES * part;
    for (int i = 0; i < LANES; ++i) w[i] = (float)q[i];
}

QC_INLINE void widen_int16(const uint8_t *block, int part, float *w) {
    const int16_t *q = (const int16_t *)block + LANES * part;
    for (int i = 0; i < LANES; ++i) w[i] = (float)q[i];
}

QC_INLINE void widen_int4(const uint8_t *block, int part, float *w) {
    const uint8_t *q = block + LANES * (part & 3);
    for (int i = 0; i < LANES; ++i) w[i] = (float)((q[i] >> (part & 4) & 15) - 8);
}

/* Feature j joins lane j % 16; then lane i takes i + 8, i + 4, i + 2, i + 1. */
#define QC_SCORES(dtype, PER_BLOCK)                                                                        \
    QC_INLINE void dtype##_one(const qc_dense *w, const qc_part *part, ptrdiff_t row, int c) {             \
        const float *x = (const float *)part->x + row * w->n_features;                                     \
        const uint8_t *block = part->blocks + c * QC_BLOCK;                                                \
        float lanes[LANES] = {0.0f}, weights[LANES];                                                       \
        for (ptrdiff_t left = w->n_features; left > 0; block += part->width * QC_BLOCK)                    \
            for (int p = 0; p < (PER_BLOCK) / LANES && left > 0; ++p, x += LANES, left -= LANES) {         \
                widen_##dtype(block, p, weights);                                                          \
                if (left >= LANES)                                                                         \
                    for (int i = 0; i < LANES; ++i) lanes[i] += x[i] * weights[i];                         \
                else                                                                                       \
                    for (int i = 0; i < left; ++i) lanes[i] += x[i] * weights[i];                          \
            }                                                                                              \
        for (int half = LANES / 2; half; half /= 2)                                                        \
            for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];                                    \
        ((float *)part->out)[row * w->n_outputs + part->output + c] = lanes[0] * w->scale[part->output + c]; \
    }                                                                                                      \
    QC_EACH(dtype)                                                                                         \
    void qc_scores_##dtype##_scalar(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out) {     \
        qc_sweep(w, x, n_rows, 4 * w->n_features, w->n_blocks, 0, out, dtype##_part);                      \
    }

QC_SCORES(float32, 16)
QC_SCORES(float16, 32)
QC_SCORES(int8, 64)
QC_SCORES(int16, 32)
QC_SCORES(int4, 128)
