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

static inline __m512i rounded(__m512 x, __m512 inverse) {
    return _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)); /* MXCSR's default: nearest even */
}

static inline void round_row(const float *x, ptrdiff_t n_columns, float inverse, int8_t *q) {
    /* The packs work within 128-bit lanes. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 by = _mm512_set1_ps(inverse);
    ptrdiff_t j = 0;
    for (; j + 64 <= n_columns; j += 64) {
        const __m512i a = rounded(_mm512_loadu_ps(x + j), by), b = rounded(_mm512_loadu_ps(x + j + 16), by);
        const __m512i c = rounded(_mm512_loadu_ps(x + j + 32), by), d = rounded(_mm512_loadu_ps(x + j + 48), by);
        const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
        _mm512_storeu_si512(q + j, _mm512_permutexvar_epi32(order, bytes));
    }
    for (; j < n_columns; j += 16) {
        const ptrdiff_t left = n_columns - j;
        const __mmask16 mask = left >= 16 ? (__mmask16)0xffff : tail_mask(left);
        const __m512i a = rounded(_mm512_maskz_loadu_ps(mask, x + j), by);
        _mm_mask_storeu_epi8(q + j, mask, _mm512_cvtepi32_epi8(a));
    }
}

ptrdiff_t qc_to_int8_avx512(const float *x, ptrdiff_t n_rows, ptrdiff_t n_columns, int8_t *q, float *scale) {
    const ptrdiff_t at_once = qc_rows_at_once(n_columns);
    for (ptrdiff_t row = 0; row < n_rows; row += at_once) {
        const ptrdiff_t end = row + at_once < n_rows ? row + at_once : n_rows;
        for (ptrdiff_t r = row; r < end; ++r) {
            const uint32_t largest = row_largest(x + r * n_columns, n_columns);
            if (largest >= QC_INFINITY32) return r * n_columns + qc_first_nonfinite32(x + r * n_columns, n_columns);
            scale[r] = qc_row_scale(largest);
        }
        for (ptrdiff_t r = row; r < end; ++r) round_row(x + r * n_columns, n_columns, 1.0f / scale[r], q + r * n_columns);
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
