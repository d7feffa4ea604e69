/* Products of int8 for NEON and its dotprod extension. Before it, the file that includes it defines
 * products(sum, x, w): 16 products of int8, x any, w from -127 to 127, join the four sums. */
#ifndef QC_DENSE_DOT_NEON_H
#define QC_DENSE_DOT_NEON_H

#include <arm_neon.h>

#include "kernels/dense/sweep.h"

QC_INLINE void put(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width, const int32x4_t *sum) {
    QC_UNROLL
    for (int r = 0; r < rows; ++r) {
        if (width == 4 && !w->wide) {
            int32_t *out = (int32_t *)part->out + (row + r) * w->n_outputs + part->output;
            const int32x4_t s = vpaddq_s32(vpaddq_s32(sum[4 * r], sum[4 * r + 1]), vpaddq_s32(sum[4 * r + 2], sum[4 * r + 3]));
            vst1q_s32(out, part->block ? vaddq_s32(s, vld1q_s32(out)) : s);
            continue;
        }
        QC_UNROLL
        for (int c = 0; c < width; ++c) qc_add_sum(w, part, row + r, part->output + c, vaddvq_s32(sum[r * width + c]));
    }
}

QC_INLINE void int8_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, QC_BLOCK), *from[8];
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, QC_BLOCK);
    int8_t tail[8][QC_BLOCK];
    int32x4_t sum[16];
    int8x16_t value[8];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = vdupq_n_s32(0);
    for (; left > 0; left -= QC_BLOCK, x += QC_BLOCK, q += width * QC_BLOCK) {
        QC_UNROLL
        for (int r = 0; r < rows; ++r) from[r] = qc_whole_block(part, x + r * w->n_features, left, tail[r], sizeof tail[r]);
        QC_ROLLED
        for (int i = 0; i < QC_BLOCK; i += 16) {
            QC_UNROLL
            for (int r = 0; r < rows; ++r) value[r] = vld1q_s8(from[r] + i);
            QC_UNROLL
            for (int c = 0; c < width; ++c) {
                const int8x16_t weights = vld1q_s8((const int8_t *)q + c * QC_BLOCK + i);
                QC_UNROLL
                for (int r = 0; r < rows; ++r) sum[r * width + c] = products(sum[r * width + c], value[r], weights);
            }
        }
    }
    put(w, part, row, rows, width, sum);
}

QC_INLINE void int4_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) {
    const int8x16_t eight = vdupq_n_s8(8);
    const int8_t *x = (const int8_t *)part->x + row * w->n_features + qc_first_feature(part, 2 * QC_BLOCK), *from[8];
    const uint8_t *q = part->blocks;
    ptrdiff_t left = qc_feature_count(w, part, 2 * QC_BLOCK);
    int8_t tail[8][2 * QC_BLOCK];
    int32x4_t sum[16];
    QC_UNROLL
    for (int i = 0; i < rows * width; ++i) sum[i] = vdupq_n_s32(0);
    for (; left > 0; left -= 2 * QC_BLOCK, x += 2 * QC_BLOCK, q += width * QC_BLOCK) {
        QC_UNROLL
        for (int r = 0; r < rows; ++r) from[r] = qc_whole_block(part, x + r * w->n_features, left, tail[r], sizeof tail[r]);
        QC_ROLLED
        for (int i = 0; i < QC_BLOCK; i += 16) {
            QC_UNROLL
            for (int c = 0; c < width; ++c) {
                const uint8x16_t both = vld1q_u8(q + c * QC_BLOCK + i);
                const int8x16_t lows = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), eight);
                const int8x16_t highs = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), eight);
                QC_UNROLL
                for (int r = 0; r < rows; ++r) {
                    int32x4_t *s = &sum[r * width + c];
                    *s = products(products(*s, vld1q_s8(from[r] + i), lows), vld1q_s8(from[r] + QC_BLOCK + i), highs);
                }
            }
        }
    }
    put(w, part, row, rows, width, sum);
}

#endif
