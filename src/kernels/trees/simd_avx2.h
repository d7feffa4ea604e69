/* What the bit-sliced engine needs, on AVX2. */
#include <immintrin.h>

#include "kernels/trees/trees.h"

typedef struct {
    __m256i half[2];
} qc_wide;

QC_INLINE qc_wide qc_wide_load(const void *from) {
    const __m256i *at = (const __m256i *)from;
    return (qc_wide){{_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)}};
}
QC_INLINE void qc_wide_store(void *to, qc_wide a) {
    _mm256_storeu_si256((__m256i *)to, a.half[0]);
    _mm256_storeu_si256((__m256i *)to + 1, a.half[1]);
}
QC_INLINE qc_wide qc_wide_zero(void) { return (qc_wide){{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }
QC_INLINE qc_wide qc_wide_and(qc_wide a, qc_wide b) {
    return (qc_wide){{_mm256_and_si256(a.half[0], b.half[0]), _mm256_and_si256(a.half[1], b.half[1])}};
}
QC_INLINE qc_wide qc_wide_and_not(qc_wide a, qc_wide b) {
    return (qc_wide){{_mm256_andnot_si256(b.half[0], a.half[0]), _mm256_andnot_si256(b.half[1], a.half[1])}};
}
QC_INLINE qc_wide qc_wide_or(qc_wide a, qc_wide b) {
    return (qc_wide){{_mm256_or_si256(a.half[0], b.half[0]), _mm256_or_si256(a.half[1], b.half[1])}};
}
QC_INLINE qc_wide qc_wide_or_and(qc_wide a, qc_wide b, qc_wide c) { return qc_wide_or(a, qc_wide_and(b, c)); }

QC_INLINE void qc_compare(const uint8_t *ranks, uint8_t most, int words, uint64_t *mask) {
    const __m256i limit = _mm256_set1_epi8((char)most);
    for (int word = 0; word < words; ++word, ranks += 64) {
        const __m256i low = _mm256_loadu_si256((const __m256i *)ranks), high = _mm256_loadu_si256((const __m256i *)(ranks + 32));
        const uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(low, limit), low));
        const uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(high, limit), high));
        mask[word] = a | (uint64_t)b << 32;
    }
}

/* Each byte of a plane stands for 8 rows: it is repeated 8 times, and each copy keeps its own bit. */
#define QC_HAS_PLACES
QC_INLINE void qc_places(const uint64_t *planes, int n_planes, int stride, uint8_t *places) {
    const __m256i repeat =
        _mm256_setr_epi64x(0, 0x0101010101010101ll, 0x0202020202020202ll, 0x0303030303030303ll);
    const __m256i own = _mm256_set1_epi64x((int64_t)0x8040201008040201ull);
    __m256i low = _mm256_setzero_si256(), high = low;
    for (int bit = 0; bit < n_planes; ++bit) {
        const uint64_t plane = planes[bit * stride];
        const __m256i value = _mm256_set1_epi8((char)(1 << bit));
        const __m256i a = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)plane), repeat), own);
        const __m256i b = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)(plane >> 32)), repeat), own);
        low = _mm256_or_si256(low, _mm256_and_si256(_mm256_cmpeq_epi8(a, own), value));
        high = _mm256_or_si256(high, _mm256_and_si256(_mm256_cmpeq_epi8(b, own), value));
    }
    _mm256_storeu_si256((__m256i *)places, low);
    _mm256_storeu_si256((__m256i *)(places + 32), high);
}

#include "kernels/trees/simd_plain.h"
