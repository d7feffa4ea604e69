/* 8 float64 outputs on AVX-512: one register. */
#include <immintrin.h>

#include "kernels/sparse/exact.h"

#define EXACT_BLOCK 10 /* groups of 8 outputs */

typedef __m512d eight;
typedef __m512d eight_centre;

QC_INLINE eight eight_zero(void) { return _mm512_setzero_pd(); }
QC_INLINE eight eight_all(double x) { return _mm512_set1_pd(x); }
QC_INLINE eight eight_add(eight x, eight y) { return _mm512_add_pd(x, y); }
QC_INLINE eight eight_mul(eight x, eight y) { return _mm512_mul_pd(x, y); }
QC_INLINE eight eight_abs(eight x) { return _mm512_abs_pd(x); }

QC_INLINE __mmask8 eight_first(ptrdiff_t left) { return left >= 8 ? (__mmask8)0xff : (__mmask8)((1u << left) - 1u); }
QC_INLINE void eight_store(double *to, eight x, ptrdiff_t left) { _mm512_mask_storeu_pd(to, eight_first(left), x); }

/* A row's centre, which is added to each of its weights: the sum of two integers is exact in float64. */
QC_INLINE eight_centre eight_shift(const char *centre, int centred, const int dtype) {
    if (!centred || dtype == QC_EXACT_FLOAT64) return eight_zero();
    return eight_all(dtype == QC_EXACT_INT16 ? (double)*(const int16_t *)centre : (double)*(const int32_t *)centre);
}

QC_INLINE eight eight_widened(const char *row, eight_centre shift, const int dtype) {
    if (dtype == QC_EXACT_FLOAT64) return _mm512_loadu_pd(row);
    if (dtype == QC_EXACT_INT32) return _mm512_add_pd(_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)row)), shift);
    return _mm512_add_pd(_mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)row))), shift);
}
