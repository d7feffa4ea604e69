/* Sixteen lanes in four (float) or eight (double) registers of NEON. */
#ifndef QC_TABLE_SIMD_H
#define QC_TABLE_SIMD_H

#include <arm_neon.h>

#include "kernels/table/table.h"

enum { TILE_ROWS = 2, TILE_OUTPUTS = 2, ROW_OUTPUTS = 4 }; /* 16 registers of sums, 8 of weights */

typedef struct { float32x4_t v[4]; } f16;
typedef struct { float64x2_t v[8]; } d16;

#define EACH4 QC_UNROLL for (int i = 0; i < 4; ++i)
#define EACH8 QC_UNROLL for (int i = 0; i < 8; ++i)

QC_INLINE f16 f16_zero(void) { f16 r; EACH4 r.v[i] = vdupq_n_f32(0.0f); return r; }
QC_INLINE f16 f16_load(const float *p) { f16 r; EACH4 r.v[i] = vld1q_f32(p + 4 * i); return r; }
QC_INLINE void f16_store(float *p, f16 a) { EACH4 vst1q_f32(p + 4 * i, a.v[i]); }
QC_INLINE f16 f16_add(f16 a, f16 b) { EACH4 a.v[i] = vaddq_f32(a.v[i], b.v[i]); return a; }
QC_INLINE f16 f16_sub(f16 a, f16 b) { EACH4 a.v[i] = vsubq_f32(a.v[i], b.v[i]); return a; }
QC_INLINE f16 f16_mul(f16 a, f16 b) { EACH4 a.v[i] = vmulq_f32(a.v[i], b.v[i]); return a; }
QC_INLINE f16 f16_abs(f16 a) { EACH4 a.v[i] = vabsq_f32(a.v[i]); return a; }
QC_INLINE float f16_sum(f16 a) {
    const float32x4_t four = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

QC_INLINE void f16_sums(const f16 *v, const int n, float *out) {
    for (int i = 0; i < n; ++i) out[i] = f16_sum(v[i]);
}

QC_INLINE d16 d16_zero(void) { d16 r; EACH8 r.v[i] = vdupq_n_f64(0.0); return r; }
QC_INLINE d16 d16_load(const double *p) { d16 r; EACH8 r.v[i] = vld1q_f64(p + 2 * i); return r; }
QC_INLINE d16 d16_widen(const float *p) { d16 r; EACH8 r.v[i] = vcvt_f64_f32(vld1_f32(p + 2 * i)); return r; }
QC_INLINE void d16_store(double *p, d16 a) { EACH8 vst1q_f64(p + 2 * i, a.v[i]); }
QC_INLINE d16 d16_add(d16 a, d16 b) { EACH8 a.v[i] = vaddq_f64(a.v[i], b.v[i]); return a; }
QC_INLINE d16 d16_sub(d16 a, d16 b) { EACH8 a.v[i] = vsubq_f64(a.v[i], b.v[i]); return a; }
QC_INLINE d16 d16_mul(d16 a, d16 b) { EACH8 a.v[i] = vmulq_f64(a.v[i], b.v[i]); return a; }
QC_INLINE d16 d16_abs(d16 a) { EACH8 a.v[i] = vabsq_f64(a.v[i]); return a; }
QC_INLINE d16 d16_round(d16 a) { EACH8 a.v[i] = vcvt_f64_f32(vcvt_f32_f64(a.v[i])); return a; }
/* Selects, since vmaxq and vminq order zeros by their sign. */
QC_INLINE d16 d16_clip(d16 a, double low, double high) {
    const float64x2_t l = vdupq_n_f64(low), h = vdupq_n_f64(high);
    EACH8 a.v[i] = vbslq_f64(vcltq_f64(a.v[i], l), l, a.v[i]);
    EACH8 a.v[i] = vbslq_f64(vcgtq_f64(a.v[i], h), h, a.v[i]);
    return a;
}
QC_INLINE f16 d16_narrow(d16 a) {
    f16 r;
    EACH4 r.v[i] = vcombine_f32(vcvt_f32_f64(a.v[2 * i]), vcvt_f32_f64(a.v[2 * i + 1]));
    return r;
}
QC_INLINE double d16_sum(d16 a) {
    float64x2_t s[4];
    EACH4 s[i] = vaddq_f64(a.v[i], a.v[i + 4]);
    const float64x2_t two = vaddq_f64(vaddq_f64(s[0], s[2]), vaddq_f64(s[1], s[3]));
    return vgetq_lane_f64(two, 0) + vgetq_lane_f64(two, 1);
}


QC_INLINE f16 f16_all(float x) { f16 r; EACH4 r.v[i] = vdupq_n_f32(x); return r; }
QC_INLINE f16 f16_max(f16 a, f16 b) { EACH4 a.v[i] = vmaxq_f32(a.v[i], b.v[i]); return a; }
QC_INLINE float f16_most(f16 a) { return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3]))); }
QC_INLINE f16 f16_from_int(const int32_t *p) { f16 r; EACH4 r.v[i] = vcvtq_f32_s32(vld1q_s32(p + 4 * i)); return r; }
QC_INLINE uint32_t f16_at_least(f16 a, float x) {
    const uint32x4_t bits = {1, 2, 4, 8};
    uint32_t mask = 0;
    EACH4 mask |= vaddvq_u32(vandq_u32(vcgeq_f32(a.v[i], vdupq_n_f32(x)), bits)) << 4 * i;
    return mask;
}
/* Rounds to nearest even, stores, and gives back what it stored; |a| <= 127. */
QC_INLINE f16 f16_store_int8(int8_t *p, f16 a) {
    int16x4_t words[4];
    EACH4 a.v[i] = vrndnq_f32(a.v[i]);
    EACH4 words[i] = vmovn_s32(vcvtq_s32_f32(a.v[i]));
    vst1_s8(p, vmovn_s16(vcombine_s16(words[0], words[1])));
    vst1_s8(p + 8, vmovn_s16(vcombine_s16(words[2], words[3])));
    return a;
}

#include "kernels/table/parts.h"

#undef EACH4
#undef EACH8

#endif
