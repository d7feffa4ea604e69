#include <arm_neon.h>

#include "kernels/dense/sweep.h"

enum { LANES = 16 }; /* four registers */

/* Weights 4 * part .. 4 * part + 3 of a block, as float32. */
QC_INLINE float32x4_t widen_float32(const uint8_t *block, int part) { return vld1q_f32((const float *)block + 4 * part); }

QC_INLINE float32x4_t widen_float16(const uint8_t *block, int part) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)block + 4 * part)));
}

QC_INLINE float32x4_t widen_int16(const uint8_t *block, int part) {
    return vcvtq_f32_s32(vmovl_s16(vld1_s16((const int16_t *)block + 4 * part)));
}

/* Four int8, in the low half of what this returns. */
QC_INLINE int8x8_t four(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return vreinterpret_s8_u32(vdup_n_u32(word));
}

QC_INLINE float32x4_t widen_int8(const uint8_t *block, int part) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(four(block + 4 * part)))));
}

QC_INLINE float32x4_t widen_int4(const uint8_t *block, int part) {
    const uint8x8_t both = vreinterpret_u8_s8(four(block + 4 * (part & 15)));
    const uint8x8_t nibbles = vand_u8(vshl_u8(both, vdup_n_s8((int8_t)(part & 16 ? -4 : 0))), vdup_n_u8(15));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vsub_s8(vreinterpret_s8_u8(nibbles), vdup_n_s8(8))))));
}

/* Lanes of one output, added in the one order: lane i takes i + 8 and i + 4. */
QC_INLINE float32x4_t quarter(const float32x4_t *s) { return vaddq_f32(vaddq_f32(s[0], s[2]), vaddq_f32(s[1], s[3])); }

/* Then i + 2, i + 1, of four outputs. */
QC_INLINE float32x4_t reduced(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) {
    const float32x2_t ab[] = {vadd_f32(vget_low_f32(a), vget_high_f32(a)), vadd_f32(vget_low_f32(b), vget_high_f32(b))};
    const float32x2_t cd[] = {vadd_f32(vget_low_f32(c), vget_high_f32(c)), vadd_f32(vget_low_f32(d), vget_high_f32(d))};
    return vcombine_f32(vpadd_f32(ab[0], ab[1]), vpadd_f32(cd[0], cd[1]));
}

QC_INLINE void put(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width,
                   const float32x4_t (*sum)[4]) {
    const float32x4_t none = vdupq_n_f32(0.0f);
    float flat[4];
    QC_UNROLL
    for (int r = 0; r < rows; ++r) {
        const float32x4_t(*s)[4] = sum + r * width;
        const float *scale = w->scale + part->output;
        float *out = (float *)part->out + (row + r) * w->n_outputs + part->output;
        const float32x4_t sums = reduced(quarter(s[0]), width > 1 ? quarter(s[1]) : none, width > 2 ? quarter(s[2]) : none,
                                         width > 3 ? quarter(s[3]) : none);
        if (width == 4) {
            vst1q_f32(out, vmulq_f32(sums, vld1q_f32(scale)));
        } else {
            vst1q_f32(flat, sums);
            QC_UNROLL
            for (int c = 0; c < width; ++c) out[c] = flat[c] * scale[c];
        }
    }
}

/* Sixteen features of each row, at from + r * stride. */
#define QC_STEP(dtype, p, from, stride)                                                                               \
    QC_UNROLL                                                                                                         \
    for (int h = 0; h < 4; ++h) {                                                                                     \
        QC_UNROLL                                                                                                     \
        for (int c = 0; c < width; ++c) {                                                                             \
            const float32x4_t weights = widen_##dtype(block + c * QC_BLOCK, 4 * (p) + h);                             \
            QC_UNROLL                                                                                                 \
            for (int r = 0; r < rows; ++r)                                                                            \
                sum[r * width + c][h] =                                                                               \
                    vaddq_f32(sum[r * width + c][h], vmulq_f32(vld1q_f32((from) + r * (stride) + 4 * h), weights));   \
        }                                                                                                             \
    }

/* The end of a row is copied and padded with zeros: weights beyond its features are 0, but inf * 0 is not. */
#define QC_SCORES(dtype, PER_BLOCK)                                                                                   \
    QC_INLINE void dtype##_tile(const qc_dense *w, const qc_part *part, ptrdiff_t row, const int rows, const int width) { \
        const float *x = (const float *)part->x + row * w->n_features;                                                \
        const uint8_t *block = part->blocks;                                                                          \
        ptrdiff_t left = w->n_features;                                                                               \
        float32x4_t sum[4][4];                                                                                        \
        QC_UNROLL                                                                                                     \
        for (int i = 0; i < rows * width; ++i) sum[i][0] = sum[i][1] = sum[i][2] = sum[i][3] = vdupq_n_f32(0.0f);     \
        for (; left >= (PER_BLOCK); left -= (PER_BLOCK), block += width * QC_BLOCK)                                   \
            QC_ROLLED                                                                                                 \
            for (int p = 0; p < (PER_BLOCK) / LANES; ++p, x += LANES) {                                               \
                QC_STEP(dtype, p, x, w->n_features)                                                                   \
            }                                                                                                         \
        int p = 0;                                                                                                    \
        for (; left >= LANES; ++p, left -= LANES, x += LANES) {                                                       \
            QC_STEP(dtype, p, x, w->n_features)                                                                       \
        }                                                                                                             \
        if (left > 0) {                                                                                               \
            float tail[4][LANES] = {{0.0f}};                                                                          \
            for (int r = 0; r < rows; ++r) memcpy(tail[r], x + r * w->n_features, 4 * (size_t)left);                  \
            QC_STEP(dtype, p, tail[0], LANES)                                                                         \
        }                                                                                                             \
        put(w, part, row, rows, width, (const float32x4_t(*)[4])sum);                                                 \
    }                                                                                                                 \
    QC_PART(dtype##_part, dtype##_tile, 1, 2)                                                                         \
    void qc_scores_##dtype##_neon(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out) {                  \
        qc_sweep(w, x, n_rows, 4 * w->n_features, w->n_blocks, 0, out, dtype##_part);                                 \
    }

QC_SCORES(float32, 16)
QC_SCORES(float16, 32)
QC_SCORES(int8, 64)
QC_SCORES(int16, 32)
QC_SCORES(int4, 128)
