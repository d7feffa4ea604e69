/* 8 float64 outputs on AVX2: two registers. */
#include <immintrin.h>
#include <string.h>

#include "kernels/sparse/exact.h"

#define EXACT_BLOCK 5 /* groups of 8 outputs: 10 of the 16 registers are sums */

typedef struct {
    __m256d a, b;
} eight;
typedef __m256d eight_centre;

QC_INLINE eight eight_zero(void) { return (eight){_mm256_setzero_pd(), _mm256_setzero_pd()}; }
QC_INLINE eight eight_all(double x) { return (eight){_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
QC_INLINE eight eight_add(eight x, eight y) { return (eight){_mm256_add_pd(x.a, y.a), _mm256_add_pd(x.b, y.b)}; }
QC_INLINE eight eight_mul(eight x, eight y) { return (eight){_mm256_mul_pd(x.a, y.a), _mm256_mul_pd(x.b, y.b)}; }

QC_INLINE eight eight_abs(eight x) {
    const __m256d sign = _mm256_set1_pd(-0.0);
    return (eight){_mm256_andnot_pd(sign, x.a), _mm256_andnot_pd(sign, x.b)};
}

QC_INLINE void eight_store(double *to, eight x, ptrdiff_t left) {
    double part[8];
    double *whole = left < 8 ? part : to;
    _mm256_storeu_pd(whole, x.a);
    _mm256_storeu_pd(whole + 4, x.b);
    if (left < 8) memcpy(to, part, (size_t)left * sizeof *to);
}

/* A row's centre, which is added to each of its weights: the sum of two integers is exact in float64. */
QC_INLINE eight_centre eight_shift(const char *centre, int centred, const int dtype) {
    if (!centred || dtype == QC_EXACT_FLOAT64) return _mm256_setzero_pd();
    return _mm256_set1_pd(dtype == QC_EXACT_INT16 ? (double)*(const int16_t *)centre : (double)*(const int32_t *)centre);
}

QC_INLINE eight eight_widened(const char *row, eight_centre shift, const int dtype) {
    const __m128i *q = (const __m128i *)row;
    if (dtype == QC_EXACT_FLOAT64) return (eight){_mm256_loadu_pd((const double *)row), _mm256_loadu_pd((const double *)row + 4)};
    const __m256i whole =
        dtype == QC_EXACT_INT32 ? _mm256_loadu_si256((const __m256i *)row) : _mm256_cvtepi16_epi32(_mm_loadu_si128(q));
    return (eight){_mm256_add_pd(_mm256_cvtepi32_pd(_mm256_castsi256_si128(whole)), shift),
                   _mm256_add_pd(_mm256_cvtepi32_pd(_mm256_extracti128_si256(whole, 1)), shift)};
}
