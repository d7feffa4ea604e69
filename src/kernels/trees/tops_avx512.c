/* Tops, 64 trees at a time: ranks are picked from one or two registers. */
#include <immintrin.h>

#include "kernels/trees/trees.h"

QC_INLINE uint32_t above(const float *block, float x, uint32_t *equal) {
    const __m512 value = _mm512_set1_ps(x), thresholds = _mm512_loadu_ps(block);
    *equal |= _mm512_cmp_ps_mask(value, thresholds, _CMP_EQ_OQ);
    return (uint32_t)_mm_popcnt_u32(_mm512_cmp_ps_mask(value, thresholds, _CMP_NLE_UQ));
}

#include "kernels/trees/tops_engine.h"

QC_INLINE __m512i leading_zeros(__m512i x) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i high = _mm512_broadcast_i32x4(_mm_setr_epi8(8, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m512i low = _mm512_broadcast_i32x4(_mm_setr_epi8(8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4));
    return _mm512_min_epu8(_mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble)),
                           _mm512_shuffle_epi8(low, _mm512_and_si512(x, nibble)));
}

QC_INLINE void run(const qc_tops *t, const uint8_t *ranks, const int wide, int32_t *at) {
    const __m512i first = _mm512_load_si512(ranks), second = _mm512_load_si512(ranks + 64);
    for (ptrdiff_t pack = 0; pack < t->n_packs; ++pack) {
        const uint32_t *slots = t->slots + pack * QC_TOP_PLANES;
        _Alignas(64) uint8_t found[QC_PACK];
        __m512i exit = _mm512_setzero_si512();
        for (int plane = t->planes[pack] - 1; plane >= 0; --plane) {
            const qc_top_tests *end = t->tests + slots[plane + 1];
            __m512i left = _mm512_set1_epi8(-1);
            for (const qc_top_tests *of = t->tests + slots[plane]; of < end; ++of) {
                const __m512i column = _mm512_loadu_si512(of->column);
                const __m512i rank =
                    wide ? _mm512_permutex2var_epi8(first, column, second) : _mm512_permutexvar_epi8(column, first);
                const __mmask64 right = _mm512_cmpgt_epu8_mask(rank, _mm512_loadu_si512(of->most));
                left = _mm512_andnot_si512(_mm512_maskz_loadu_epi8(right, of->strike), left);
            }
            const __m512i here = _mm512_add_epi8(leading_zeros(left), _mm512_set1_epi8((char)(8 * plane)));
            exit = _mm512_mask_mov_epi8(exit, _mm512_test_epi8_mask(left, left), here);
        }
        _mm512_store_si512(found, exit);
        take_exits(t, pack, found, at);
    }
}

int qc_tops_row_float32_avx512(const qc_tops *t, const float *values, int rounded, int32_t *at) {
    _Alignas(64) uint8_t ranks[QC_TOP_COLUMNS] = {0};
    if (rank_columns(t, values, rounded, ranks)) return 1;
    if (t->n_columns > 64) run(t, ranks, 1, at);
    else run(t, ranks, 0, at);
    return 0;
}
