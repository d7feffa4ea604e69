#include <arm_neon.h>

#include "kernels/common.h"

/* Two products of int8 fit int16: at most 2 * 128 * 127. */
QC_INLINE int32x4_t products(int32x4_t sum, int8x16_t x, int8x16_t w) {
    return vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(x), vget_low_s8(w)), x, w));
}

#include "kernels/dense/dot_neon.h"

/* Two products of int16 fit int32, since w is never -32768: at most 2 * 32768 * 32767. */
QC_INLINE void int16_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    enum { PER_BLOCK = QC_BLOCK / 2 };
    const int16_t *x = (const int16_t *)part->x + row * w->n_features + qc_first_feature(part, PER_BLOCK), *from[4];
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, PER_BLOCK);
    int16_t tail[4][PER_BLOCK];
    int64x2_t sum[16];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = vdupq_n_s64(0);
    for (; left > 0; left -= PER_BLOCK, x += PER_BLOCK, q += width * QC_BLOCK) {
        QC_UNROLL
        for (int r = 0; r < rows; ++r) from[r] = qc_whole_block(part, x + r * w->n_features, 2 * left, tail[r], sizeof tail[r]);
        QC_ROLLED
        for (int i = 0; i < PER_BLOCK; i += 8) {
            QC_UNROLL
            for (int c = 0; c < width; ++c) {
                const int16x8_t weights = vld1q_s16((const int16_t *)(q + c * QC_BLOCK) + i);
                QC_UNROLL
                for (int r = 0; r < rows; ++r) {
                    const int16x8_t v = vld1q_s16(from[r] + i);
                    const int32x4_t pairs = vmlal_high_s16(vmull_s16(vget_low_s16(v), vget_low_s16(weights)), v, weights);
                    sum[r * width + c] = vpadalq_s32(sum[r * width + c], pairs);
                }
            }
        }
    }
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i)
        qc_add_sum64(w, part, row + i / width, part->output + i % width, vaddvq_s64(sum[i]));
}

QC_PART(int8_part, int8_tile, 4, 4)
QC_PART(int4_part, int4_tile, 4, 4)
QC_PART(int16_part, int16_tile, 4, 4)

void qc_dot_int8_neon(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int8_part);
}

void qc_dot_int4_neon(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, w->n_features, QC_SPAN, 0, out, int4_part);
}

void qc_dot_int16_neon(const qc_dense *w, const int16_t *x, ptrdiff_t n_rows, void *out) {
    qc_sweep(w, x, n_rows, 2 * w->n_features, QC_SPAN, 0, out, int16_part);
}
