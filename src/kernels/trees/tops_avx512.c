/* Tops, 16 trees at a time: values are picked from registers, and every split of the 16 tops is tested, a slot at a time. */
#include <immintrin.h>

#include "kernels/trees/trees.h"

#define PAIR(k) _mm512_permutex2var_ps(x[k], column, x[(k) + 1])
#define BLEND(bit, low, high) _mm512_mask_blend_ps(_mm512_test_epi32_mask(column, _mm512_set1_epi32(bit)), low, high)

QC_INLINE int run(const qc_tops *t, const float *values, const int registers, const int rounded, int32_t *at) {
    const float *thresholds = rounded ? t->nearest : t->exact;
    const ptrdiff_t n_packs = (t->n_trees + QC_PACK - 1) / QC_PACK;
    __m512 x[8];
    __mmask16 tie = 0;
    for (int k = 0; k < registers; ++k) x[k] = _mm512_loadu_ps(values + 16 * k);
    for (ptrdiff_t pack = 0; pack < n_packs; ++pack) {
        __m512i left = _mm512_set1_epi32(-1);
        for (size_t i = (size_t)t->slots[pack] * QC_PACK, end = (size_t)t->slots[pack + 1] * QC_PACK; i < end; i += QC_PACK) {
            const __m512i column = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(t->column + i)));
            const __m512 threshold = _mm512_loadu_ps(thresholds + i);
            __m512 value = PAIR(0);
            if (registers > 2) value = BLEND(32, value, PAIR(2));
            if (registers > 4) value = BLEND(64, value, BLEND(32, PAIR(4), PAIR(6)));
            if (rounded) tie |= _mm512_cmp_ps_mask(value, threshold, _CMP_EQ_OQ);
            left = _mm512_mask_and_epi32(left, _mm512_cmp_ps_mask(value, threshold, _CMP_NLE_UQ), left,
                                         _mm512_loadu_si512(t->keep + i));
        }
        _Alignas(64) uint32_t exit[QC_PACK];
        _mm512_store_si512(exit, _mm512_lzcnt_epi32(left));
        const int32_t *exits = t->exits + pack * QC_PACK * QC_MOST_EXITS;
        for (int k = 0; k < QC_PACK; ++k, exits += QC_MOST_EXITS) at[pack * QC_PACK + k] = exits[exit[k] % QC_MOST_EXITS];
    }
    return tie != 0;
}

int qc_tops_row_float32_avx512(const qc_tops *t, const float *values, ptrdiff_t n_values, int rounded, int32_t *at) {
    if (n_values <= 32) return rounded ? run(t, values, 2, 1, at) : run(t, values, 2, 0, at);
    if (n_values <= 64) return rounded ? run(t, values, 4, 1, at) : run(t, values, 4, 0, at);
    return rounded ? run(t, values, 8, 1, at) : run(t, values, 8, 0, at);
}
