#include <immintrin.h>

#include "kernels/pack/pack.h"

static inline __mmask16 tail_mask(ptrdiff_t left) { return (__mmask16)((1u << left) - 1u); }

static inline __m512i magnitude(__m512 v) { return _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff)); }

static inline uint32_t row_largest(const float *x, ptrdiff_t n) {
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    ptrdiff_t j = 0;
    for (; j + 64 <= n; j += 64) {
        a = _mm512_max_epu32(a, magnitude(_mm512_loadu_ps(x + j)));
        b = _mm512_max_epu32(b, magnitude(_mm512_loadu_ps(x + j + 16)));
        c = _mm512_max_epu32(c, magnitude(_mm512_loadu_ps(x + j + 32)));
        d = _mm512_max_epu32(d, magnitude(_mm512_loadu_ps(x + j + 48)));
    }
    for (; j + 16 <= n; j += 16) a = _mm512_max_epu32(a, magnitude(_mm512_loadu_ps(x + j)));
    if (j < n) b = _mm512_max_epu32(b, magnitude(_mm512_maskz_loadu_ps(tail_mask(n - j), x + j)));
    return _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_max_epu32(a, b), _mm512_max_epu32(c, d)));
}

static inline __m128i rounded(__m512 x, __m512 inverse) {
    return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x, inverse))); /* MXCSR's default: nearest even */
}

ptrdiff_t qc_to_int8_avx512(const float *x, ptrdiff_t n_rows, ptrdiff_t n_columns, int8_t *q, float *scale) {
    for (ptrdiff_t row = 0; row < n_rows; ++row, x += n_columns, q += n_columns) {
        const uint32_t largest = row_largest(x, n_columns);
        if (largest >= QC_INFINITY32) return row * n_columns + qc_first_nonfinite32(x, n_columns);
        scale[row] = qc_row_scale(largest);
        const __m512 by = _mm512_set1_ps(1.0f / scale[row]);
        ptrdiff_t j = 0;
        for (; j + 16 <= n_columns; j += 16) _mm_storeu_si128((__m128i *)(q + j), rounded(_mm512_loadu_ps(x + j), by));
        if (j < n_columns) {
            const __mmask16 left = tail_mask(n_columns - j);
            _mm_mask_storeu_epi8(q + j, left, rounded(_mm512_maskz_loadu_ps(left, x + j), by));
        }
    }
    return -1;
}

ptrdiff_t qc_to_float16_avx512(const float *x, ptrdiff_t n, uint16_t *h) {
    __m512i largest = _mm512_setzero_si512();
    ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512 v = _mm512_loadu_ps(x + i);
        largest = _mm512_max_epu32(largest, magnitude(v));
        _mm256_storeu_si256((__m256i *)(h + i), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    if (i < n) {
        const __mmask16 left = tail_mask(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(left, x + i);
        largest = _mm512_max_epu32(largest, magnitude(v));
        _mm256_mask_storeu_epi16(h + i, left, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
    return _mm512_reduce_max_epu32(largest) >= QC_INFINITY32 ? qc_first_nonfinite32(x, n) : -1;
}

ptrdiff_t qc_to_float32_avx512(const uint16_t *h, ptrdiff_t n, float *x) {
    const __m256i all = _mm256_set1_epi16(0x7fff);
    __m256i largest = _mm256_setzero_si256();
    ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(h + i));
        largest = _mm256_max_epu16(largest, _mm256_and_si256(v, all));
        _mm512_storeu_ps(x + i, _mm512_cvtph_ps(v));
    }
    if (i < n) {
        const __mmask16 left = tail_mask(n - i);
        const __m256i v = _mm256_maskz_loadu_epi16(left, h + i);
        largest = _mm256_max_epu16(largest, _mm256_and_si256(v, all));
        _mm512_mask_storeu_ps(x + i, left, _mm512_cvtph_ps(v));
    }
    const __mmask16 refused = _mm256_cmpge_epu16_mask(largest, _mm256_set1_epi16(QC_INFINITY16));
    return refused ? qc_first_nonfinite16(h, n) : -1;
}
