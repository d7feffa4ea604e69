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
QC_INLINE f16 f16_sub(f16 v, f16 w) { return (f16){_mm512_sub_ps(v.a, w.a)}; }
QC_INLINE f16 f16_mul(f16 v, f16 w) { return (f16){_mm512_mul_ps(v.a, w.a)}; }
QC_INLINE f16 f16_abs(f16 v) { return (f16){_mm512_abs_ps(v.a)}; }
QC_INLINE float f16_sum(f16 v) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v.a), _mm512_extractf32x8_ps(v.a, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Sixteen sums at once, each in the order of f16_sum: halves, quarters, pairs of two registers at a time are put side by side,
 * so that every addition is of 16 lanes in use. */
QC_INLINE __m512 sums16(const f16 *sixteen) {
    __m512 v[8];
    QC_UNROLL
    for (int i = 0; i < 8; ++i) { /* 8 + 8 */
        const __m512 x = sixteen[i].a, y = sixteen[i + 8].a;
        v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
    }
    QC_UNROLL
    for (int i = 0; i < 4; ++i) /* 4 + 4: now quarters are of registers i, i + 8, i + 4, i + 12 */
        v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 4], 0x88), _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd));
    const __m512 a = _mm512_add_ps(_mm512_shuffle_ps(v[0], v[1], 0x44), _mm512_shuffle_ps(v[0], v[1], 0xee));
    const __m512 b = _mm512_add_ps(_mm512_shuffle_ps(v[2], v[3], 0x44), _mm512_shuffle_ps(v[2], v[3], 0xee));
    const __m512 c = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15), c);
}

/* `out` has room for a multiple of 16. */
QC_INLINE void f16_sums(const f16 *v, const int n, float *out) {
    if (n < 5) {
        QC_UNROLL
        for (int i = 0; i < n; ++i) out[i] = f16_sum(v[i]);
        return;
    }
    QC_UNROLL
    for (int first = 0; first < n; first += 16) {
        f16 sixteen[16];
        QC_UNROLL
        for (int i = 0; i < 16; ++i) sixteen[i] = first + i < n ? v[first + i] : f16_zero();
        _mm512_storeu_ps(out + first, sums16(sixteen));
    }
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

/* Loads of the first n values, 0 < n < 16, and zeros. */
QC_INLINE f16 f16_load_part(const float *p, ptrdiff_t n) {
    return (f16){_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p)};
}
QC_INLINE d16 d16_load_part(const double *p, ptrdiff_t n) {
    const unsigned mask = (1u << n) - 1u;
    return (d16){_mm512_maskz_loadu_pd((__mmask8)mask, p), _mm512_maskz_loadu_pd((__mmask8)(mask >> 8), p + 8)};
}
QC_INLINE d16 d16_widen_part(const float *p, ptrdiff_t n) {
    const __m512 v = _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
    return (d16){_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
}

#endif
