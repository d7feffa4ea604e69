/* 8 float64 outputs on NEON: four registers. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/sparse/exact.h"

#define EXACT_BLOCK 5 /* groups of 8 outputs: 20 of the 32 registers are sums */

typedef struct {
    float64x2_t v[4];
} eight;
typedef float64x2_t eight_centre;

QC_INLINE eight eight_all(double x) { return (eight){{vdupq_n_f64(x), vdupq_n_f64(x), vdupq_n_f64(x), vdupq_n_f64(x)}}; }
QC_INLINE eight eight_zero(void) { return eight_all(0.0); }

QC_INLINE eight eight_add(eight x, eight y) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vaddq_f64(x.v[i], y.v[i]);
    return x;
}

QC_INLINE eight eight_mul(eight x, eight y) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vmulq_f64(x.v[i], y.v[i]);
    return x;
}

QC_INLINE eight eight_abs(eight x) {
    QC_UNROLL
    for (int i = 0; i < 4; ++i) x.v[i] = vabsq_f64(x.v[i]);
    return x;
}

QC_INLINE void eight_store(double *to, eight x, ptrdiff_t left) {
    double part[8];
    double *whole = left < 8 ? part : to;
    QC_UNROLL
    for (int i = 0; i < 4; ++i) vst1q_f64(whole + 2 * i, x.v[i]);
    if (left < 8) memcpy(to, part, (size_t)left * sizeof *to);
}

/* A row's centre, which is added to each of its weights: the sum of two integers is exact in float64. */
QC_INLINE eight_centre eight_shift(const char *centre, int centred, const int dtype) {
    if (!centred || dtype == QC_EXACT_FLOAT64) return vdupq_n_f64(0.0);
    return vdupq_n_f64(dtype == QC_EXACT_INT16 ? (double)*(const int16_t *)centre : (double)*(const int32_t *)centre);
}

QC_INLINE float64x2_t eight_pair(int32x2_t q, eight_centre shift) { return vaddq_f64(vcvtq_f64_s64(vmovl_s32(q)), shift); }

QC_INLINE eight eight_widened(const char *row, eight_centre shift, const int dtype) {
    if (dtype == QC_EXACT_FLOAT64) {
        const double *w = (const double *)row;
        return (eight){{vld1q_f64(w), vld1q_f64(w + 2), vld1q_f64(w + 4), vld1q_f64(w + 6)}};
    }
    int32x4_t low, high;
    if (dtype == QC_EXACT_INT32) {
        low = vld1q_s32((const int32_t *)row);
        high = vld1q_s32((const int32_t *)row + 4);
    } else {
        const int16x8_t q = vld1q_s16((const int16_t *)row);
        low = vmovl_s16(vget_low_s16(q));
        high = vmovl_s16(vget_high_s16(q));
    }
    return (eight){{eight_pair(vget_low_s32(low), shift), eight_pair(vget_high_s32(low), shift),
                    eight_pair(vget_low_s32(high), shift), eight_pair(vget_high_s32(high), shift)}};
}
