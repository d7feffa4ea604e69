/* 16 outputs on AVX2: two registers. */
#include <immintrin.h>
#include <string.h>

#include "kernels/sparse/entries.h"

#define BLOCK 6 /* groups of 16 outputs: 12 of the 16 registers are sums */

typedef struct {
    __m256 a, b;
} lanes;

QC_INLINE lanes lanes_zero(void) { return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
QC_INLINE lanes lanes_all(float x) { return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
QC_INLINE lanes lanes_add(lanes x, lanes y) { return (lanes){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
QC_INLINE lanes lanes_mul(lanes x, lanes y) { return (lanes){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }

/* The first `left` of 16: all of them where there are more. */
QC_INLINE lanes lanes_load(const float *from, ptrdiff_t left) {
    float part[16] = {0};
    if (left < 16) memcpy(part, from, (size_t)left * sizeof *from);
    const float *whole = left < 16 ? part : from;
    return (lanes){_mm256_loadu_ps(whole), _mm256_loadu_ps(whole + 8)};
}

QC_INLINE void lanes_store(float *to, lanes x, ptrdiff_t left) {
    float part[16];
    float *whole = left < 16 ? part : to;
    _mm256_storeu_ps(whole, x.a);
    _mm256_storeu_ps(whole + 8, x.b);
    if (left < 16) memcpy(to, part, (size_t)left * sizeof *to);
}

QC_INLINE lanes lanes_of_int32(__m256i a, __m256i b) { return (lanes){_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)}; }

/* 16 weights as float32, exactly. */
QC_INLINE lanes lanes_widened(const char *row, const int dtype) {
    const __m128i *q = (const __m128i *)row;
    if (dtype == QC_INT8)
        return lanes_of_int32(_mm256_cvtepi8_epi32(_mm_loadl_epi64(q)),
                              _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(row + 8))));
    if (dtype == QC_INT16)
        return lanes_of_int32(_mm256_cvtepi16_epi32(_mm_loadu_si128(q)), _mm256_cvtepi16_epi32(_mm_loadu_si128(q + 1)));
    if (dtype == QC_FLOAT16) return (lanes){_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
    if (dtype == QC_FLOAT32) return (lanes){_mm256_loadu_ps((const float *)row), _mm256_loadu_ps((const float *)row + 8)};
    /* int4: both words four times, each nibble moved to the top and back, which brings its sign */
    const __m256i words = _mm256_broadcastq_epi64(_mm_loadl_epi64(q));
    const __m256i up = _mm256_setr_epi32(28, 28, 24, 24, 20, 20, 16, 16), more = _mm256_setr_epi32(12, 12, 8, 8, 4, 4, 0, 0);
    return lanes_of_int32(_mm256_srai_epi32(_mm256_sllv_epi32(words, up), 28),
                          _mm256_srai_epi32(_mm256_sllv_epi32(words, more), 28));
}
