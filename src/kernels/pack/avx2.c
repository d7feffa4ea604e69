#include <immintrin.h>

#include "kernels/pack/pack.h"

/* Largest of eight 32-bit lanes (as signed: callers clear the sign bit first). */
static inline uint32_t largest_lane(__m256i v) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

static inline __m256i magnitude(__m256 v) { return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff)); }

static inline uint32_t row_largest(const float *x, ptrdiff_t n) {
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    ptrdiff_t j = 0;
    for (; j + 32 <= n; j += 32) {
        a = _mm256_max_epi32(a, magnitude(_mm256_loadu_ps(x + j)));
        b = _mm256_max_epi32(b, magnitude(_mm256_loadu_ps(x + j + 8)));
        c = _mm256_max_epi32(c, magnitude(_mm256_loadu_ps(x + j + 16)));
        d = _mm256_max_epi32(d, magnitude(_mm256_loadu_ps(x + j + 24)));
    }
    for (; j + 8 <= n; j += 8) a = _mm256_max_epi32(a, magnitude(_mm256_loadu_ps(x + j)));
    uint32_t largest = largest_lane(_mm256_max_epi32(_mm256_max_epi32(a, b), _mm256_max_epi32(c, d)));
    for (; j < n; ++j) {
        const uint32_t tail = qc_magnitude(x[j]);
        if (tail > largest) largest = tail;
    }
    return largest;
}

static inline __m256i rounded(const float *x, __m256 inverse) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse)); /* MXCSR's default: nearest even */
}

static inline void round_row(const float *x, ptrdiff_t n_columns, float inverse, int8_t *q) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* the packs work within 128-bit lanes */
    const __m256 by = _mm256_set1_ps(inverse);
    ptrdiff_t j = 0;
    for (; j + 32 <= n_columns; j += 32) {
        const __m256i ab = _mm256_packs_epi32(rounded(x + j, by), rounded(x + j + 8, by));
        const __m256i cd = _mm256_packs_epi32(rounded(x + j + 16, by), rounded(x + j + 24, by));
        const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
        _mm256_storeu_si256((__m256i *)(q + j), bytes);
    }
    for (; j < n_columns; ++j) q[j] = qc_to_int8_one(x[j], inverse);
}

ptrdiff_t qc_to_int8_avx2(const float *x, ptrdiff_t n_rows, ptrdiff_t n_columns, int8_t *q, float *scale) {
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

ptrdiff_t qc_to_float16_avx2(const float *x, ptrdiff_t n, uint16_t *h) {
    __m256i a = _mm256_setzero_si256(), b = a;
    ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256 low = _mm256_loadu_ps(x + i), high = _mm256_loadu_ps(x + i + 8);
        a = _mm256_max_epi32(a, magnitude(low));
        b = _mm256_max_epi32(b, magnitude(high));
        _mm_storeu_si128((__m128i *)(h + i), _mm256_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT));
        _mm_storeu_si128((__m128i *)(h + i + 8), _mm256_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT));
    }
    const int refused = largest_lane(_mm256_max_epi32(a, b)) >= QC_INFINITY32;
    if (refused) return qc_first_nonfinite32(x, i);
    const ptrdiff_t tail = qc_to_float16_scalar(x + i, n - i, h + i);
    return tail < 0 ? -1 : i + tail;
}

ptrdiff_t qc_to_float32_avx2(const uint16_t *h, ptrdiff_t n, float *x) {
    __m256i largest = _mm256_setzero_si256();
    ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m256i both = _mm256_loadu_si256((const __m256i *)(h + i));
        largest = _mm256_max_epi16(largest, _mm256_and_si256(both, _mm256_set1_epi16(0x7fff)));
        _mm256_storeu_ps(x + i, _mm256_cvtph_ps(_mm256_castsi256_si128(both)));
        _mm256_storeu_ps(x + i + 8, _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1)));
    }
    const __m256i refused = _mm256_cmpgt_epi16(largest, _mm256_set1_epi16(QC_INFINITY16 - 1));
    if (_mm256_movemask_epi8(refused)) return qc_first_nonfinite16(h, i);
    const ptrdiff_t tail = qc_to_float32_scalar(h + i, n - i, x + i);
    return tail < 0 ? -1 : i + tail;
}
