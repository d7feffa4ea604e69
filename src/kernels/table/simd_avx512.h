/* Sixteen lanes in one (float) or two (double) registers of AVX-512. */
#ifndef QC_TABLE_SIMD_H
#define QC_TABLE_SIMD_H

#include <immintrin.h>

#include "kernels/table/table.h"

enum { TILE_ROWS = 8, TILE_OUTPUTS = 2, ROW_OUTPUTS = 8 }; /* 16 registers of sums; values come from the first cache level as operands */

typedef struct { __m512 a; } f16;
typedef struct { __m512d a, b; } d16;

QC_INLINE f16 f16_zero(void) { return (f16){_mm512_setzero_ps()}; }
QC_INLINE f16 f16_load(const float *p) { return (f16){_mm512_loadu_ps(p)}; }
QC_INLINE void f16_store(float *p, f16 v) { _mm512_storeu_ps(p, v.a); }
QC_INLINE f16 f16_add(f16 v, f16 w) { return (f16){_mm512_add_ps(v.a, w.a)}; }
QC_INLINE f16 f16_mul(f16 v, f16 w) { return (f16){_mm512_mul_ps(v.a, w.a)}; }
QC_INLINE f16 f16_abs(f16 v) { return (f16){_mm512_abs_ps(v.a)}; }
QC_INLINE float f16_sum(f16 v) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v.a), _mm512_extractf32x8_ps(v.a, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

QC_INLINE d16 d16_zero(void) { return (d16){_mm512_setzero_pd(), _mm512_setzero_pd()}; }
QC_INLINE d16 d16_load(const double *p) { return (d16){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}; }
QC_INLINE d16 d16_widen(const float *p) {
    return (d16){_mm512_cvtps_pd(_mm256_loadu_ps(p)), _mm512_cvtps_pd(_mm256_loadu_ps(p + 8))};
}
QC_INLINE void d16_store(double *p, d16 v) {
    _mm512_storeu_pd(p, v.a);
    _mm512_storeu_pd(p + 8, v.b);
}
QC_INLINE d16 d16_add(d16 v, d16 w) { return (d16){_mm512_add_pd(v.a, w.a), _mm512_add_pd(v.b, w.b)}; }
QC_INLINE d16 d16_sub(d16 v, d16 w) { return (d16){_mm512_sub_pd(v.a, w.a), _mm512_sub_pd(v.b, w.b)}; }
QC_INLINE d16 d16_mul(d16 v, d16 w) { return (d16){_mm512_mul_pd(v.a, w.a), _mm512_mul_pd(v.b, w.b)}; }
QC_INLINE d16 d16_abs(d16 v) { return (d16){_mm512_abs_pd(v.a), _mm512_abs_pd(v.b)}; }
QC_INLINE d16 d16_round(d16 v) {
    return (d16){_mm512_cvtps_pd(_mm512_cvtpd_ps(v.a)), _mm512_cvtps_pd(_mm512_cvtpd_ps(v.b))};
}
/* max and min give their second operand where either is NaN, and where both are zeros. */
QC_INLINE d16 d16_clip(d16 v, double low, double high) {
    const __m512d l = _mm512_set1_pd(low), h = _mm512_set1_pd(high);
    return (d16){_mm512_min_pd(h, _mm512_max_pd(l, v.a)), _mm512_min_pd(h, _mm512_max_pd(l, v.b))};
}
QC_INLINE f16 d16_narrow(d16 v) {
    return (f16){_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(v.a)), _mm512_cvtpd_ps(v.b), 1)};
}
QC_INLINE double d16_sum(d16 v) {
    const __m512d eight = _mm512_add_pd(v.a, v.b);
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

#endif
