/* 16 outputs on AVX-512: one register. */
#include <immintrin.h>

#include "kernels/sparse/entries.h"

#define BLOCK 16 /* groups of 16 outputs: half of the 32 registers are sums */

typedef __m512 lanes;

QC_INLINE lanes lanes_zero(void) { return _mm512_setzero_ps(); }
QC_INLINE lanes lanes_all(float x) { return _mm512_set1_ps(x); }
QC_INLINE lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
QC_INLINE lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }

/* The first `left` of 16: all of them where there are more. */
QC_INLINE __mmask16 lanes_first(ptrdiff_t left) { return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1u); }
QC_INLINE lanes lanes_load(const float *from, ptrdiff_t left) { return _mm512_maskz_loadu_ps(lanes_first(left), from); }
QC_INLINE void lanes_store(float *to, lanes x, ptrdiff_t left) { _mm512_mask_storeu_ps(to, lanes_first(left), x); }

QC_INLINE lanes lanes_of_int8(__m128i q) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)); }

/* 16 weights as float32, exactly. */
QC_INLINE lanes lanes_widened(const char *row, const int dtype) {
    if (dtype == QC_INT8) return lanes_of_int8(_mm_loadu_si128((const __m128i *)row));
    if (dtype == QC_INT16) return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)row)));
    if (dtype == QC_FLOAT16) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)row));
    if (dtype == QC_FLOAT32) return _mm512_loadu_ps(row);
    /* int4: both words eight times, each nibble moved to the top and back, which brings its sign */
    const __m512i words = _mm512_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)row));
    const __m512i up = _mm512_setr_epi32(28, 28, 24, 24, 20, 20, 16, 16, 12, 12, 8, 8, 4, 4, 0, 0);
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_sllv_epi32(words, up), 28));
}
