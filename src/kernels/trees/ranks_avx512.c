#define QC_TREES_ISA avx512
#include <immintrin.h>
#include <math.h>

#include "kernels/trees/ranks_engine.h"

enum { TILE = 16 };

QC_INLINE __m512 load_float32(const float *x, __mmask16 columns) { return _mm512_maskz_loadu_ps(columns, x); }

QC_INLINE __m512 load_float64(const double *x, __mmask16 columns) {
    const __m256 low = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd((__mmask8)columns, x));
    const __m256 high = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd((__mmask8)(columns >> 8), x + 8));
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

/* Rows a → columns, `ROWS` floats apart. */
QC_INLINE void transpose(__m512 *a, float *to) {
    __m512 b[TILE];
    QC_UNROLL for (int k = 0; k < 8; ++k) {
        b[2 * k] = _mm512_unpacklo_ps(a[2 * k], a[2 * k + 1]);
        b[2 * k + 1] = _mm512_unpackhi_ps(a[2 * k], a[2 * k + 1]);
    }
    QC_UNROLL for (int k = 0; k < 4; ++k) {
        const __m512d p = _mm512_castps_pd(b[4 * k]), q = _mm512_castps_pd(b[4 * k + 2]);
        const __m512d r = _mm512_castps_pd(b[4 * k + 1]), s = _mm512_castps_pd(b[4 * k + 3]);
        a[4 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q));
        a[4 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
        a[4 * k + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(r, s));
        a[4 * k + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(r, s));
    }
    QC_UNROLL for (int j = 0; j < 4; ++j) {
        const __m512 p = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88), q = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd);
        const __m512 r = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88), s = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
        _mm512_store_ps(to + j * ROWS, _mm512_shuffle_f32x4(p, r, 0x88));
        _mm512_store_ps(to + (8 + j) * ROWS, _mm512_shuffle_f32x4(p, r, 0xdd));
        _mm512_store_ps(to + (4 + j) * ROWS, _mm512_shuffle_f32x4(q, s, 0x88));
        _mm512_store_ps(to + (12 + j) * ROWS, _mm512_shuffle_f32x4(q, s, 0xdd));
    }
}

/* What values are refused, in a tile of n rows, which is transposed. */
#define READ_TILE(name, type)                                                                                             \
    QC_INLINE int read_tile_##name(const type *x, ptrdiff_t width, int n, int n_columns, int look, float *to) {           \
        const __mmask16 columns = (__mmask16)(n_columns >= TILE ? 0xffff : (1 << n_columns) - 1);                         \
        __mmask16 nan = 0, infinite = 0;                                                                                  \
        __m512 a[TILE];                                                                                                   \
        QC_UNROLL for (int k = 0; k < TILE; ++k, x += width)                                                              \
            a[k] = k < n ? load_##name(x, columns) : _mm512_setzero_ps();                                                 \
        if (look) {                                                                                                       \
            QC_UNROLL for (int k = 0; k < TILE; ++k) {                                                                    \
                nan |= _mm512_cmp_ps_mask(a[k], a[k], _CMP_UNORD_Q);                                                      \
                infinite |= _mm512_cmp_ps_mask(_mm512_abs_ps(a[k]), _mm512_set1_ps(INFINITY), _CMP_EQ_OQ);                \
            }                                                                                                             \
        }                                                                                                                 \
        transpose(a, to);                                                                                                 \
        return (nan ? QC_REFUSE_NAN : 0) | (infinite ? QC_REFUSE_INFINITE : 0);                                           \
    }

READ_TILE(float32, float)
READ_TILE(float64, double)

/* One level: to the right child of a pivot that is smaller. The threshold that x may equal is always on the way. */
#define LEVEL(chosen)                                                                                                     \
    do {                                                                                                                  \
        const __m512 pivot = chosen;                                                                                      \
        const __mmask16 right = _mm512_cmp_ps_mask(x, pivot, _CMP_GT_OQ);                                                 \
        if (c->ties) tie |= _mm512_cmp_ps_mask(x, pivot, _CMP_EQ_OQ);                                                     \
        i = _mm512_mask_add_epi32(_mm512_add_epi32(i, i), right, _mm512_add_epi32(i, i), one);                            \
    } while (0)
#define PAIR(t, k) _mm512_permutex2var_ps(t[k], i, t[(k) + 1])
#define BLEND(bit, low, high) _mm512_mask_blend_ps(_mm512_test_epi32_mask(i, _mm512_set1_epi32(bit)), low, high)

/* Ranks of the rows of a column; of each 16 a mask of ties, which a second look has to settle. */
QC_INLINE void search(const qc_search *c, const int levels, const float *rows, int n, uint8_t *to, uint16_t *ties) {
    const __m512i one = _mm512_set1_epi32(1);
    const __m512 bound = _mm512_set1_ps(1e-35f);
    __m512 top[2], sixth[2], seventh[4], eighth[8];
    for (int k = 0; k < 2; ++k) top[k] = _mm512_loadu_ps(c->pivots + 16 * k);
    if (levels > 5)
        for (int k = 0; k < 2; ++k) sixth[k] = _mm512_loadu_ps(c->pivots + 32 + 16 * k);
    if (levels > 6)
        for (int k = 0; k < 4; ++k) seventh[k] = _mm512_loadu_ps(c->pivots + 64 + 16 * k);
    if (levels > 7)
        for (int k = 0; k < 8; ++k) eighth[k] = _mm512_loadu_ps(c->pivots + 128 + 16 * k);
    for (int row = 0; row < n; row += 16) {
        const __m512 x = _mm512_load_ps(rows + row);
        __m512i i = one;
        __mmask16 tie = 0, missing = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
        QC_UNROLL for (int k = 0; k < 5; ++k) LEVEL(PAIR(top, 0));
        if (levels > 5) LEVEL(PAIR(sixth, 0));
        if (levels > 6) LEVEL(BLEND(32, PAIR(seventh, 0), PAIR(seventh, 2)));
        if (levels > 7)
            LEVEL(BLEND(64, BLEND(32, PAIR(eighth, 0), PAIR(eighth, 2)), BLEND(32, PAIR(eighth, 4), PAIR(eighth, 6))));
        if (c->missing & QC_TREES_ZERO) {
            missing |= _mm512_cmp_ps_mask(_mm512_abs_ps(x), bound, _CMP_LE_OQ);
            if (c->ties) tie |= _mm512_cmp_ps_mask(_mm512_abs_ps(x), bound, _CMP_EQ_OQ);
        }
        const int end = c->missing & QC_TREES_LEFT ? 0 : c->count;
        i = _mm512_mask_mov_epi32(_mm512_sub_epi32(i, _mm512_set1_epi32(1 << levels)), missing, _mm512_set1_epi32(end));
        _mm_store_si128((__m128i *)(to + row), _mm512_cvtepi32_epi8(i));
        if (c->ties) ties[row / 16] = tie;
    }
}

#include "kernels/trees/ranks_driver.h"
