/* Sixteen lanes in two (float) or four (double) registers of AVX2. */
#ifndef QC_TABLE_SIMD_H
#define QC_TABLE_SIMD_H

#include <immintrin.h>

#include "kernels/table/table.h"

enum { TILE_ROWS = 2, TILE_OUTPUTS = 2, ROW_OUTPUTS = 4 }; /* 8 registers of sums, 4 of weights, 2 of values: 16 in all */

typedef struct { __m256 a, b; } f16;
typedef struct { __m256d a, b, c, d; } d16;

QC_INLINE f16 f16_zero(void) { return (f16){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
QC_INLINE f16 f16_load(const float *p) { return (f16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
QC_INLINE void f16_store(float *p, f16 v) {
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
}
QC_INLINE f16 f16_add(f16 v, f16 w) { return (f16){_mm256_add_ps(v.a, w.a), _mm256_add_ps(v.b, w.b)}; }
QC_INLINE f16 f16_sub(f16 v, f16 w) { return (f16){_mm256_sub_ps(v.a, w.a), _mm256_sub_ps(v.b, w.b)}; }
QC_INLINE f16 f16_mul(f16 v, f16 w) { return (f16){_mm256_mul_ps(v.a, w.a), _mm256_mul_ps(v.b, w.b)}; }
QC_INLINE f16 f16_abs(f16 v) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (f16){_mm256_andnot_ps(sign, v.a), _mm256_andnot_ps(sign, v.b)};
}
QC_INLINE float f16_sum(f16 v) {
    const __m256 eight = _mm256_add_ps(v.a, v.b);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

QC_INLINE void f16_sums(const f16 *v, const int n, float *out) {
    for (int i = 0; i < n; ++i) out[i] = f16_sum(v[i]);
}

#define D16(call) (d16){call(a), call(b), call(c), call(d)}
QC_INLINE d16 d16_zero(void) {
    const __m256d zero = _mm256_setzero_pd();
    return (d16){zero, zero, zero, zero};
}
QC_INLINE d16 d16_load(const double *p) {
    return (d16){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8), _mm256_loadu_pd(p + 12)};
}
QC_INLINE d16 d16_widen(const float *p) {
    return (d16){_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4)), _mm256_cvtps_pd(_mm_loadu_ps(p + 8)),
                 _mm256_cvtps_pd(_mm_loadu_ps(p + 12))};
}
QC_INLINE void d16_store(double *p, d16 v) {
    _mm256_storeu_pd(p, v.a);
    _mm256_storeu_pd(p + 4, v.b);
    _mm256_storeu_pd(p + 8, v.c);
    _mm256_storeu_pd(p + 12, v.d);
}
#define EACH(part) _mm256_add_pd(v.part, w.part)
QC_INLINE d16 d16_add(d16 v, d16 w) { return D16(EACH); }
#undef EACH
#define EACH(part) _mm256_sub_pd(v.part, w.part)
QC_INLINE d16 d16_sub(d16 v, d16 w) { return D16(EACH); }
#undef EACH
#define EACH(part) _mm256_mul_pd(v.part, w.part)
QC_INLINE d16 d16_mul(d16 v, d16 w) { return D16(EACH); }
#undef EACH
#define EACH(part) _mm256_andnot_pd(_mm256_set1_pd(-0.0), v.part)
QC_INLINE d16 d16_abs(d16 v) { return D16(EACH); }
#undef EACH
#define EACH(part) _mm256_cvtps_pd(_mm256_cvtpd_ps(v.part))
QC_INLINE d16 d16_round(d16 v) { return D16(EACH); }
#undef EACH
/* max and min give their second operand where either is NaN, and where both are zeros. */
#define EACH(part) _mm256_min_pd(_mm256_set1_pd(high), _mm256_max_pd(_mm256_set1_pd(low), v.part))
QC_INLINE d16 d16_clip(d16 v, double low, double high) { return D16(EACH); }
#undef EACH
QC_INLINE f16 d16_narrow(d16 v) {
    return (f16){_mm256_set_m128(_mm256_cvtpd_ps(v.b), _mm256_cvtpd_ps(v.a)),
                 _mm256_set_m128(_mm256_cvtpd_ps(v.d), _mm256_cvtpd_ps(v.c))};
}
QC_INLINE double d16_sum(d16 v) {
    const __m256d four = _mm256_add_pd(_mm256_add_pd(v.a, v.c), _mm256_add_pd(v.b, v.d));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
#undef D16

QC_INLINE f16 f16_all(float x) { return (f16){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
QC_INLINE f16 f16_max(f16 v, f16 w) { return (f16){_mm256_max_ps(v.a, w.a), _mm256_max_ps(v.b, w.b)}; }
QC_INLINE float f16_most(f16 v) {
    const __m256 eight = _mm256_max_ps(v.a, v.b);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
QC_INLINE f16 f16_from_int(const int32_t *p) {
    return (f16){_mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)p)),
                 _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(p + 8)))};
}
QC_INLINE uint32_t f16_at_least(f16 v, float x) {
    const __m256 least = _mm256_set1_ps(x);
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(v.a, least, _CMP_GE_OQ));
    return (uint32_t)(low | _mm256_movemask_ps(_mm256_cmp_ps(v.b, least, _CMP_GE_OQ)) << 8);
}
/* Rounds to nearest even, stores, and gives back what it stored; |v| <= 127. */
QC_INLINE f16 f16_store_int8(int8_t *p, f16 v) {
    const __m256i a = _mm256_cvtps_epi32(v.a), b = _mm256_cvtps_epi32(v.b);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    return (f16){_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)};
}

#include "kernels/table/parts.h"

#endif
