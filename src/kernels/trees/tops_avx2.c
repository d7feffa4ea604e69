/* Tops, 32 trees at a time: ranks are picked from registers of 16. */
#include <immintrin.h>

#include "kernels/trees/trees.h"

QC_INLINE uint32_t above(const float *block, float x, uint32_t *equal) {
    const __m256 value = _mm256_set1_ps(x), low = _mm256_loadu_ps(block), high = _mm256_loadu_ps(block + 8);
    const __m256 same = _mm256_or_ps(_mm256_cmp_ps(value, low, _CMP_EQ_OQ), _mm256_cmp_ps(value, high, _CMP_EQ_OQ));
    const int a = _mm256_movemask_ps(_mm256_cmp_ps(value, low, _CMP_NLE_UQ));
    const int b = _mm256_movemask_ps(_mm256_cmp_ps(value, high, _CMP_NLE_UQ));
    *equal |= (uint32_t)_mm256_movemask_ps(same);
    return (uint32_t)_mm_popcnt_u32((uint32_t)(a | b << 8));
}

#include "kernels/trees/tops_engine.h"

QC_INLINE __m256i leading_zeros(__m256i x) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i high = _mm256_broadcastsi128_si256(_mm_setr_epi8(8, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i low = _mm256_broadcastsi128_si256(_mm_setr_epi8(8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4));
    return _mm256_min_epu8(_mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble)),
                           _mm256_shuffle_epi8(low, _mm256_and_si256(x, nibble)));
}

/* A byte of an index that has its highest bit set picks 0: of all registers, one gives the rank. */
QC_INLINE __m256i pick(const __m256i *ranks, const int registers, __m256i column) {
    const __m256i bias = _mm256_set1_epi8(0x70);
    if (registers == 1) return _mm256_shuffle_epi8(ranks[0], column);
    __m256i found = _mm256_shuffle_epi8(ranks[0], _mm256_add_epi8(column, bias));
    QC_UNROLL for (int k = 1; k < registers; ++k) {
        const __m256i from = _mm256_sub_epi8(column, _mm256_set1_epi8((char)(16 * k)));
        found = _mm256_or_si256(found, _mm256_shuffle_epi8(ranks[k], _mm256_adds_epu8(from, bias)));
    }
    return found;
}

QC_INLINE void run(const qc_tops *t, const uint8_t *from, const int registers, int32_t *at) {
    __m256i ranks[8];
    QC_UNROLL for (int k = 0; k < registers; ++k)
        ranks[k] = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(from + 16 * k)));
    for (ptrdiff_t pack = 0; pack < t->n_packs; ++pack) {
        const uint32_t *slots = t->slots + pack * QC_TOP_PLANES;
        _Alignas(32) uint8_t found[QC_PACK];
        __m256i exit[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (int plane = t->planes[pack] - 1; plane >= 0; --plane) {
            const qc_top_tests *end = t->tests + slots[plane + 1];
            __m256i left[2] = {_mm256_set1_epi8(-1), _mm256_set1_epi8(-1)};
            for (const qc_top_tests *of = t->tests + slots[plane]; of < end; ++of) {
                QC_UNROLL for (int k = 0; k < 2; ++k) {
                    const __m256i column = _mm256_loadu_si256((const __m256i *)of->column + k);
                    const __m256i most = _mm256_loadu_si256((const __m256i *)of->most + k);
                    const __m256i strike = _mm256_loadu_si256((const __m256i *)of->strike + k);
                    const __m256i rank = pick(ranks, registers, column);
                    const __m256i goes_left = _mm256_cmpeq_epi8(_mm256_min_epu8(rank, most), rank);
                    left[k] = _mm256_andnot_si256(_mm256_andnot_si256(goes_left, strike), left[k]);
                }
            }
            QC_UNROLL for (int k = 0; k < 2; ++k) {
                const __m256i here = _mm256_add_epi8(leading_zeros(left[k]), _mm256_set1_epi8((char)(8 * plane)));
                exit[k] = _mm256_blendv_epi8(here, exit[k], _mm256_cmpeq_epi8(left[k], _mm256_setzero_si256()));
            }
        }
        QC_UNROLL for (int k = 0; k < 2; ++k) _mm256_store_si256((__m256i *)found + k, exit[k]);
        take_exits(t, pack, found, at);
    }
}

int qc_tops_row_float32_avx2(const qc_tops *t, const float *values, int rounded, int32_t *at) {
    _Alignas(32) uint8_t ranks[QC_TOP_COLUMNS] = {0};
    if (rank_columns(t, values, rounded, ranks)) return 1;
    if (t->n_columns <= 16) run(t, ranks, 1, at);
    else if (t->n_columns <= 32) run(t, ranks, 2, at);
    else if (t->n_columns <= 64) run(t, ranks, 4, at);
    else run(t, ranks, 8, at);
    return 0;
}
