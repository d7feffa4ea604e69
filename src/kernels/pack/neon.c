#include <arm_neon.h>

#include "kernels/pack/pack.h"

/* Conversions to integers round to nearest even, whatever the mode of the thread; to float16 as the mode says, nearest even in
 * every process that has not changed it. What does not fill a vector is left to the one-value functions of pack.h. */

/* The magnitudes of 16 bytes, and the larger of two, as integers. */
QC_INLINE uint32x4_t magnitude(const void *x, ptrdiff_t i, int wide) {
    const uint32x4_t v = vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)qc_at(x, i, wide)));
    return vandq_u32(v, wide ? vreinterpretq_u32_u64(vdupq_n_u64(INT64_MAX)) : vdupq_n_u32(INT32_MAX));
}

QC_INLINE uint32x4_t larger(uint32x4_t a, uint32x4_t b, int wide) {
    if (!wide) return vmaxq_u32(a, b);
    const uint64x2_t p = vreinterpretq_u64_u32(a), q = vreinterpretq_u64_u32(b);
    return vreinterpretq_u32_u64(vbslq_u64(vcgtq_u64(q, p), q, p));
}

QC_INLINE void largest_of(const void *x, ptrdiff_t n, int wide, void *out) {
    const ptrdiff_t unit = wide ? 2 : 4;
    uint32x4_t a = vdupq_n_u32(0), b = a, c = a, d = a;
    ptrdiff_t j = 0;
    for (; j + 4 * unit <= n; j += 4 * unit) {
        a = larger(a, magnitude(x, j, wide), wide);
        b = larger(b, magnitude(x, j + unit, wide), wide);
        c = larger(c, magnitude(x, j + 2 * unit, wide), wide);
        d = larger(d, magnitude(x, j + 3 * unit, wide), wide);
    }
    for (; j + unit <= n; j += unit) a = larger(a, magnitude(x, j, wide), wide);
    a = larger(larger(a, b, wide), larger(c, d, wide), wide);
    if (wide) {
        a = larger(a, vextq_u32(a, a, 2), 1);
        *(double *)out = qc_double(vgetq_lane_u64(vreinterpretq_u64_u32(a), 0));
    } else *(float *)out = qc_float(vmaxvq_u32(a));
    for (; j < n; ++j) qc_larger_one(out, x, j, wide);
}

QC_INLINE void merge_rows(const void *x, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n, int wide, void *out) {
    const ptrdiff_t unit = wide ? 2 : 4;
    ptrdiff_t j = 0;
    for (; j + unit <= n; j += unit) {
        uint32x4_t most = magnitude(out, j, wide);
        for (ptrdiff_t row = 0; row < n_rows; ++row) most = larger(most, magnitude(x, row * stride + j, wide), wide);
        vst1q_u8((uint8_t *)qc_at_out(out, j, wide), vreinterpretq_u8_u32(most));
    }
    for (; j < n; ++j)
        for (ptrdiff_t row = 0; row < n_rows; ++row) qc_larger_one(qc_at_out(out, j, wide), x, row * stride + j, wide);
}

/* What values are multiplied by: an array of factors, or one for all. */
typedef struct {
    const void *each; /* or NULL */
    float32x4_t f;
    float64x2_t d;
} factors;

QC_INLINE factors factors_from(const void *by, int each, int wide) {
    factors f = {each ? by : NULL, vdupq_n_f32(0), vdupq_n_f64(0)};
    if (!each && wide) f.d = vdupq_n_f64(*(const double *)by);
    if (!each && !wide) f.f = vdupq_n_f32(*(const float *)by);
    return f;
}

QC_INLINE float32x4_t times32(float32x4_t v, const factors *by, ptrdiff_t j) {
    return vmulq_f32(v, by->each ? vld1q_f32((const float *)by->each + j) : by->f);
}

QC_INLINE float64x2_t times64(float64x2_t v, const factors *by, ptrdiff_t j) {
    return vmulq_f64(v, by->each ? vld1q_f64((const double *)by->each + j) : by->d);
}

/* Values j to j + 7 of a row. */
QC_INLINE int16x8_t rounded(const void *x, ptrdiff_t j, const factors *by, int wide) {
    int32x4_t part[2];
    for (int i = 0; i < 2; ++i, j += 4) {
        if (wide) {
            const double *v = (const double *)x + j;
            const int64x2_t a = vcvtnq_s64_f64(times64(vld1q_f64(v), by, j));
            const int64x2_t b = vcvtnq_s64_f64(times64(vld1q_f64(v + 2), by, j + 2));
            part[i] = vuzp1q_s32(vreinterpretq_s32_s64(a), vreinterpretq_s32_s64(b));
        } else part[i] = vcvtnq_s32_f32(times32(vld1q_f32((const float *)x + j), by, j));
    }
    return vuzp1q_s16(vreinterpretq_s16_s32(part[0]), vreinterpretq_s16_s32(part[1]));
}

QC_INLINE void round_run(const void *x, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *q) {
    (void)stream;
    const factors f = factors_from(by, each, wide);
    ptrdiff_t j = 0;
    for (; j + 16 <= n; j += 16) {
        const int16x8_t a = rounded(x, j, &f, wide), b = rounded(x, j + 8, &f, wide);
        if (bits == 16) {
            vst1q_s16((int16_t *)q + j, a);
            vst1q_s16((int16_t *)q + j + 8, b);
            continue;
        }
        const int8x16_t bytes = vuzp1q_s8(vreinterpretq_s8_s16(a), vreinterpretq_s8_s16(b));
        if (bits == 8) vst1q_s8((int8_t *)q + j, bytes);
        else { /* even columns to the low halves of 16-bit lanes, odd ones shifted down beside them */
            const uint16x8_t pairs = vreinterpretq_u16_u8(vandq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(15)));
            vst1_u8((uint8_t *)q + j / 2, vmovn_u16(vorrq_u16(pairs, vshrq_n_u16(pairs, 4))));
        }
    }
    for (; j < n; ++j) qc_round_one(x, j, by, each, wide, bits, q);
}

/* Values j to j + 15 of a packed row. */
QC_INLINE void got16(const void *q, ptrdiff_t j, int bits, int16x8_t v[2]) {
    if (bits == 16) {
        v[0] = vld1q_s16((const int16_t *)q + j);
        v[1] = vld1q_s16((const int16_t *)q + j + 8);
        return;
    }
    int8x16_t bytes;
    if (bits == 8) bytes = vld1q_s8((const int8_t *)q + j);
    else {
        const uint8x8_t packed = vld1_u8((const uint8_t *)q + j / 2);
        const uint8x8_t low = vand_u8(packed, vdup_n_u8(15)), high = vshr_n_u8(packed, 4);
        const uint8x16_t nibbles = vcombine_u8(vzip1_u8(low, high), vzip2_u8(low, high)), eight = vdupq_n_u8(8);
        bytes = vreinterpretq_s8_u8(vsubq_u8(veorq_u8(nibbles, eight), eight));
    }
    v[0] = vmovl_s8(vget_low_s8(bytes));
    v[1] = vmovl_s8(vget_high_s8(bytes));
}

QC_INLINE void spread4(void *x, ptrdiff_t j, const factors *by, int wide, int32x4_t v) {
    if (!wide) {
        vst1q_f32((float *)x + j, times32(vcvtq_f32_s32(v), by, j));
        return;
    }
    vst1q_f64((double *)x + j, times64(vcvtq_f64_s64(vmovl_s32(vget_low_s32(v))), by, j));
    vst1q_f64((double *)x + j + 2, times64(vcvtq_f64_s64(vmovl_s32(vget_high_s32(v))), by, j + 2));
}

QC_INLINE void spread_run(const void *q, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *x) {
    (void)stream;
    const factors f = factors_from(by, each, wide);
    ptrdiff_t j = 0;
    for (; j + 16 <= n; j += 16) {
        int16x8_t v[2];
        got16(q, j, bits, v);
        for (int i = 0; i < 2; ++i) {
            spread4(x, j + 8 * i, &f, wide, vmovl_s16(vget_low_s16(v[i])));
            spread4(x, j + 8 * i + 4, &f, wide, vmovl_s16(vget_high_s16(v[i])));
        }
    }
    for (; j < n; ++j) qc_spread_one(q, j, by, each, wide, bits, x);
}

QC_INLINE int narrow(const void *x, ptrdiff_t n, int stream, int wide, void *h) {
    (void)stream;
    uint32x4_t most = vdupq_n_u32(0);
    int finite = 1;
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t v;
        if (wide) { /* vcvtx rounds to odd, as qc_to_odd does; what overflows becomes FLT_MAX, which is inf in float16 */
            const double *p = (const double *)x + i;
            most = vmaxq_u32(most, vuzp2q_u32(magnitude(x, i, 1), magnitude(x, i + 2, 1)));
            v = vcombine_f32(vcvtx_f32_f64(vld1q_f64(p)), vcvtx_f32_f64(vld1q_f64(p + 2)));
        } else {
            most = vmaxq_u32(most, magnitude(x, i, 0));
            v = vld1q_f32((const float *)x + i);
        }
        vst1_u16((uint16_t *)h + i, vreinterpret_u16_f16(vcvt_f16_f32(v)));
    }
    for (; i < n; ++i) finite &= qc_narrow_one(x, i, wide, h);
    return finite && vmaxvq_u32(most) < (wide ? QC_INFINITY64 >> 32 : QC_INFINITY32);
}

QC_INLINE int widen(const void *h, ptrdiff_t n, int stream, int wide, void *x) {
    (void)stream;
    uint16x4_t most = vdup_n_u16(0);
    int finite = 1;
    ptrdiff_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint16x4_t bits = vld1_u16((const uint16_t *)h + i);
        const float32x4_t f = vcvt_f32_f16(vreinterpret_f16_u16(bits));
        most = vmax_u16(most, vand_u16(bits, vdup_n_u16(INT16_MAX)));
        if (wide) {
            vst1q_f64((double *)x + i, vcvt_f64_f32(vget_low_f32(f)));
            vst1q_f64((double *)x + i + 2, vcvt_f64_f32(vget_high_f32(f)));
        } else vst1q_f32((float *)x + i, f);
    }
    for (; i < n; ++i) finite &= qc_widen_one(h, i, wide, x);
    return finite && vmaxv_u16(most) < QC_INFINITY16;
}

QC_INLINE void settle(int stream) { (void)stream; }

#include "kernels/pack/loops.h"

KERNELS(neon)
