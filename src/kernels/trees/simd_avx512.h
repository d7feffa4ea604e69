/* What the bit-sliced engine needs, on AVX-512: leaf values are looked up byte by byte, 64 rows at a time.
 *
 * Bytes of 64 rows are brought together within lanes of 16 bytes, so that sums stand in an order of their own until the end:
 * the row 16 * lane + k is in register k / (values of a lane), at its lane. */
#include <immintrin.h>

#include "kernels/trees/trees.h"

#define QC_ONE_REGISTER
typedef __m512i qc_wide;

QC_INLINE qc_wide qc_wide_load(const void *from) { return _mm512_load_si512(from); }
QC_INLINE void qc_wide_store(void *to, qc_wide a) { _mm512_storeu_si512(to, a); }
QC_INLINE qc_wide qc_wide_zero(void) { return _mm512_setzero_si512(); }
QC_INLINE qc_wide qc_wide_and(qc_wide a, qc_wide b) { return _mm512_and_si512(a, b); }
QC_INLINE qc_wide qc_wide_and_not(qc_wide a, qc_wide b) { return _mm512_andnot_si512(b, a); }
QC_INLINE qc_wide qc_wide_or(qc_wide a, qc_wide b) { return _mm512_or_si512(a, b); }
QC_INLINE qc_wide qc_wide_or_and(qc_wide a, qc_wide b, qc_wide c) { return _mm512_ternarylogic_epi64(a, b, c, 0xf8); }

QC_INLINE void qc_compare(const uint8_t *ranks, uint8_t most, int words, uint64_t *mask) {
    const __m512i limit = _mm512_set1_epi8((char)most);
    for (int word = 0; word < words; ++word)
        mask[word] = _cvtmask64_u64(_mm512_cmple_epu8_mask(_mm512_loadu_si512(ranks + word * 64), limit));
}

QC_INLINE void qc_places(const uint64_t *planes, int n_planes, int stride, uint8_t *places) {
    __m512i found = _mm512_setzero_si512();
    for (int bit = 0; bit < n_planes; ++bit)
        found = _mm512_mask_add_epi8(found, _cvtu64_mask64(planes[bit * stride]), found, _mm512_set1_epi8((char)(1 << bit)));
    _mm512_store_si512(places, found);
}

/* One byte of the values of 64 rows. */
QC_INLINE __m512i qc_look_up(const uint8_t *bytes, int entries, __m512i places) {
    if (entries == 64) return _mm512_permutexvar_epi8(places, _mm512_loadu_si512(bytes));
    const __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(bytes), places, _mm512_loadu_si512(bytes + 64));
    if (entries == 128) return low;
    const __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(bytes + 128), places, _mm512_loadu_si512(bytes + 192));
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(places), low, high);
}

QC_INLINE void qc_add_float32_words(const uint8_t *bytes, int entries, const uint8_t *places, int words, float *sums) {
    for (int word = 0; word < words; ++word, sums += 64) {
        const __m512i at = _mm512_load_si512(places + word * 64);
        __m512i b[4], w[4], d[4];
        QC_UNROLL for (int k = 0; k < 4; ++k) b[k] = qc_look_up(bytes + k * entries, entries, at);
        QC_UNROLL for (int k = 0; k < 2; ++k) {
            w[k] = _mm512_unpacklo_epi8(b[2 * k], b[2 * k + 1]);
            w[2 + k] = _mm512_unpackhi_epi8(b[2 * k], b[2 * k + 1]);
        }
        QC_UNROLL for (int k = 0; k < 2; ++k) {
            d[2 * k] = _mm512_unpacklo_epi16(w[2 * k], w[2 * k + 1]);
            d[2 * k + 1] = _mm512_unpackhi_epi16(w[2 * k], w[2 * k + 1]);
        }
        QC_UNROLL for (int k = 0; k < 4; ++k)
            _mm512_store_ps(sums + 16 * k, _mm512_add_ps(_mm512_load_ps(sums + 16 * k), _mm512_castsi512_ps(d[k])));
    }
}

QC_INLINE void qc_add_float64_words(const uint8_t *bytes, int entries, const uint8_t *places, int words, double *sums) {
    for (int word = 0; word < words; ++word, sums += 64) {
        const __m512i at = _mm512_load_si512(places + word * 64);
        __m512i b[8], w[8], d[8], q[8];
        QC_UNROLL for (int k = 0; k < 8; ++k) b[k] = qc_look_up(bytes + k * entries, entries, at);
        QC_UNROLL for (int k = 0; k < 4; ++k) { /* rows 0-7 of each lane, then 8-15 */
            w[k] = _mm512_unpacklo_epi8(b[2 * k], b[2 * k + 1]);
            w[4 + k] = _mm512_unpackhi_epi8(b[2 * k], b[2 * k + 1]);
        }
        QC_UNROLL for (int k = 0; k < 2; ++k) { /* d[4 * half + 2 * quarter + k] */
            d[k] = _mm512_unpacklo_epi16(w[2 * k], w[2 * k + 1]);
            d[2 + k] = _mm512_unpackhi_epi16(w[2 * k], w[2 * k + 1]);
            d[4 + k] = _mm512_unpacklo_epi16(w[4 + 2 * k], w[4 + 2 * k + 1]);
            d[6 + k] = _mm512_unpackhi_epi16(w[4 + 2 * k], w[4 + 2 * k + 1]);
        }
        QC_UNROLL for (int k = 0; k < 4; ++k) {
            q[2 * k] = _mm512_unpacklo_epi32(d[2 * k], d[2 * k + 1]);
            q[2 * k + 1] = _mm512_unpackhi_epi32(d[2 * k], d[2 * k + 1]);
        }
        QC_UNROLL for (int k = 0; k < 8; ++k)
            _mm512_store_pd(sums + 8 * k, _mm512_add_pd(_mm512_load_pd(sums + 8 * k), _mm512_castsi512_pd(q[k])));
    }
}

#define QC_ADD(name, type)                                                                                                \
    QC_INLINE void qc_add_##name(const qc_sliced *s, size_t table, int entries, const uint8_t *places, int words,         \
                                 type *sums) {                                                                            \
        const uint8_t *bytes = s->bytes + table * sizeof(type);                                                           \
        if (entries == 64) qc_add_##name##_words(bytes, 64, places, words, sums);                                         \
        else if (entries == 128) qc_add_##name##_words(bytes, 128, places, words, sums);                                  \
        else qc_add_##name##_words(bytes, 256, places, words, sums);                                                      \
    }                                                                                                                     \
                                                                                                                          \
    /* Of each word, 16 bytes at a time: [register][lane] becomes [lane][register]. */                                    \
    QC_INLINE void qc_order_##name(type *sums, int words) {                                                               \
        enum { EACH = 16 / sizeof(type), REGISTERS = 16 / EACH };                                                         \
        for (int word = 0; word < words; ++word, sums += 64) {                                                            \
            type found[64];                                                                                               \
            for (int lane = 0; lane < 4; ++lane)                                                                          \
                for (int k = 0; k < REGISTERS; ++k)                                                                       \
                    memcpy(found + 16 * lane + EACH * k, sums + 4 * EACH * k + EACH * lane, 16);                          \
            memcpy(sums, found, sizeof found);                                                                            \
        }                                                                                                                 \
    }

QC_ADD(float32, float)
QC_ADD(float64, double)
