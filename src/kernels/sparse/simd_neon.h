/* 16 outputs on NEON: four registers. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/sparse/entries.h"

#define BLOCK 6 /* groups of 16 outputs: 24 of the 32 registers are sums */

typedef struct {
    float32x4_t v[4];
} lanes;

QC_INLINE lanes lanes_all(float x) { return (lanes){{vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}}; }
QC_INLINE lanes lanes_zero(void) { return lanes_all(0.0f); }

QC_INLINE lanes lanes_add(lanes x, lanes y) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vaddq_f32(x.v[i], y.v[i]);
    return x;
}

QC_INLINE lanes lanes_mul(lanes x, lanes y) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vmulq_f32(x.v[i], y.v[i]);
    return x;
}

/* The first `left` of 16: all of them where there are more. */
QC_INLINE lanes lanes_load(const float *from, ptrdiff_t left) {
    float part[16] = {0};
    if (left < 16) memcpy(part, from, (size_t)left * sizeof *from);
    const float *whole = left < 16 ? part : from;
    return (lanes){{vld1q_f32(whole), vld1q_f32(whole + 4), vld1q_f32(whole + 8), vld1q_f32(whole + 12)}};
}

QC_INLINE void lanes_store(float *to, lanes x, ptrdiff_t left) {
    float part[16];
    float *whole = left < 16 ? part : to;
    QC_UNROLL
    for (int i = 0; i < 4; ++i) vst1q_f32(whole + 4 * i, x.v[i]);
    if (left < 16) memcpy(to, part, (size_t)left * sizeof *to);
}

QC_INLINE lanes lanes_of_int16(int16x8_t a, int16x8_t b) {
    return (lanes){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(a))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(a))),
                    vcvtq_f32_s32(vmovl_s16(vget_low_s16(b))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(b)))}};
}

QC_INLINE lanes lanes_of_int8(int8x16_t q) { return lanes_of_int16(vmovl_s8(vget_low_s8(q)), vmovl_s8(vget_high_s8(q))); }

/* 16 weights as float32, exactly. */
QC_INLINE lanes lanes_widened(const char *row, const int dtype) {
    if (dtype == QC_INT8) return lanes_of_int8(vld1q_s8((const int8_t *)row));
    if (dtype == QC_INT16) return lanes_of_int16(vld1q_s16((const int16_t *)row), vld1q_s16((const int16_t *)row + 8));
    if (dtype == QC_FLOAT16) {
        const float16x4_t *h = (const float16x4_t *)row;
        return (lanes){{vcvt_f32_f16(h[0]), vcvt_f32_f16(h[1]), vcvt_f32_f16(h[2]), vcvt_f32_f16(h[3])}};
    }
    if (dtype == QC_FLOAT32) {
        const float *x = (const float *)row;
        return (lanes){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
    }
    /* int4: both words twice, each nibble moved to the top and back, which brings its sign */
    const int32_t up[16] = {28, 28, 24, 24, 20, 20, 16, 16, 12, 12, 8, 8, 4, 4, 0, 0};
    const int32x4_t words = vreinterpretq_s32_s64(vdupq_n_s64(((const int64_t *)row)[0]));
    lanes x;
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vcvtq_f32_s32(vshrq_n_s32(vshlq_s32(words, vld1q_s32(up + 4 * i)), 28));
    return x;
}
