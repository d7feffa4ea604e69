#define QC_TREES_ISA avx2
#include <immintrin.h>
#include <math.h>

#include "kernels/trees/ranks_engine.h"

enum { TILE = 8 };

QC_INLINE __m256 load_float32(const float *x, int n_columns) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    if (n_columns == TILE) return _mm256_loadu_ps(x);
    return _mm256_maskload_ps(x, _mm256_cmpgt_epi32(_mm256_set1_epi32(n_columns), lanes));
}

QC_INLINE __m256 load_float64(const double *x, int n_columns) {
    const __m256i lanes = _mm256_setr_epi64x(0, 1, 2, 3), all = _mm256_set1_epi64x(n_columns);
    const __m256d low = _mm256_maskload_pd(x, _mm256_cmpgt_epi64(all, lanes));
    const __m256d high = _mm256_maskload_pd(x + 4, _mm256_cmpgt_epi64(all, _mm256_add_epi64(lanes, _mm256_set1_epi64x(4))));
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

/* Rows a → columns, `ROWS` floats apart. */
QC_INLINE void transpose(const __m256 *a, float *to) {
    __m256 b[TILE], c[TILE];
    QC_UNROLL for (int k = 0; k < 4; ++k) {
        b[2 * k] = _mm256_unpacklo_ps(a[2 * k], a[2 * k + 1]);
        b[2 * k + 1] = _mm256_unpackhi_ps(a[2 * k], a[2 * k + 1]);
    }
    QC_UNROLL for (int k = 0; k < 2; ++k) {
        c[4 * k] = _mm256_shuffle_ps(b[4 * k], b[4 * k + 2], 0x44);
        c[4 * k + 1] = _mm256_shuffle_ps(b[4 * k], b[4 * k + 2], 0xee);
        c[4 * k + 2] = _mm256_shuffle_ps(b[4 * k + 1], b[4 * k + 3], 0x44);
        c[4 * k + 3] = _mm256_shuffle_ps(b[4 * k + 1], b[4 * k + 3], 0xee);
    }
    QC_UNROLL for (int k = 0; k < 4; ++k) {
        _mm256_store_ps(to + k * ROWS, _mm256_permute2f128_ps(c[k], c[4 + k], 0x20));
        _mm256_store_ps(to + (4 + k) * ROWS, _mm256_permute2f128_ps(c[k], c[4 + k], 0x31));
    }
}

/* What values are refused, in a tile of n rows, which is transposed. */
#define READ_TILE(name, type)                                                                                             \
    QC_INLINE int read_tile_##name(const type *x, ptrdiff_t width, int n, int n_columns, int look, float *to) {           \
        const __m256 sign = _mm256_set1_ps(-0.0f), infinity = _mm256_set1_ps(INFINITY);                                   \
        __m256 a[TILE], nan = _mm256_setzero_ps(), infinite = nan;                                                        \
        QC_UNROLL for (int k = 0; k < TILE; ++k, x += width)                                                              \
            a[k] = k < n ? load_##name(x, n_columns) : _mm256_setzero_ps();                                               \
        if (look) {                                                                                                       \
            QC_UNROLL for (int k = 0; k < TILE; ++k) {                                                                    \
                nan = _mm256_or_ps(nan, _mm256_cmp_ps(a[k], a[k], _CMP_UNORD_Q));                                         \
                infinite = _mm256_or_ps(infinite, _mm256_cmp_ps(_mm256_andnot_ps(sign, a[k]), infinity, _CMP_EQ_OQ));     \
            }                                                                                                             \
        }                                                                                                                 \
        transpose(a, to);                                                                                                 \
        return (_mm256_movemask_ps(nan) ? QC_REFUSE_NAN : 0) | (_mm256_movemask_ps(infinite) ? QC_REFUSE_INFINITE : 0);   \
    }

READ_TILE(float32, float)
READ_TILE(float64, double)

/* One of 8 * 2^bits pivots at p, chosen by the lowest 3 + bits of i. */
QC_INLINE __m256 pick(const float *p, const int bits, __m256i i) {
    __m256 found[16];
    for (int k = 0; k < 1 << bits; ++k) found[k] = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + 8 * k), i);
    for (int bit = 0; bit < bits; ++bit) {
        const __m256 high = _mm256_castsi256_ps(_mm256_slli_epi32(i, 28 - bit));
        for (int k = 0; k < 1 << (bits - bit - 1); ++k) found[k] = _mm256_blendv_ps(found[2 * k], found[2 * k + 1], high);
    }
    return found[0];
}

/* One level: to the right child of a pivot that is smaller. The threshold that x may equal is always on the way. */
#define LEVEL(chosen)                                                                                                     \
    do {                                                                                                                  \
        const __m256 pivot = chosen;                                                                                      \
        if (c->ties) tie = _mm256_or_ps(tie, _mm256_cmp_ps(x, pivot, _CMP_EQ_OQ));                                        \
        i = _mm256_sub_epi32(_mm256_add_epi32(i, i), _mm256_castps_si256(_mm256_cmp_ps(x, pivot, _CMP_GT_OQ)));           \
    } while (0)

/* Ranks of the rows of a column; of each 8 a mask of ties, which a second look has to settle. */
QC_INLINE void search(const qc_search *c, const int levels, const float *rows, int n, uint8_t *to, uint16_t *ties) {
    const __m256 bound = _mm256_set1_ps(1e-35f), sign = _mm256_set1_ps(-0.0f);
    const __m256i end = _mm256_set1_epi32(c->missing & QC_TREES_LEFT ? 0 : c->count);
    const float *p = c->pivots;
    for (int row = 0; row < n; row += TILE) {
        const __m256 x = _mm256_load_ps(rows + row);
        __m256 tie = _mm256_setzero_ps(), missing = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
        __m256i i = _mm256_set1_epi32(1);
        for (int k = 0; k < 3; ++k) LEVEL(pick(p, 0, i));
        LEVEL(pick(p + 8, 0, i));
        LEVEL(pick(p + 16, 1, i));
        if (levels > 5) LEVEL(pick(p + 32, 2, i));
        if (levels > 6) LEVEL(pick(p + 64, 3, i));
        if (levels > 7) LEVEL(pick(p + 128, 4, i));
        if (c->missing & QC_TREES_ZERO) {
            const __m256 size = _mm256_andnot_ps(sign, x);
            missing = _mm256_or_ps(missing, _mm256_cmp_ps(size, bound, _CMP_LE_OQ));
            if (c->ties) tie = _mm256_or_ps(tie, _mm256_cmp_ps(size, bound, _CMP_EQ_OQ));
        }
        i = _mm256_sub_epi32(i, _mm256_set1_epi32(1 << levels));
        i = _mm256_blendv_epi8(i, end, _mm256_castps_si256(missing));
        /* lowest bytes: 4 of each lane */
        const __m256i order = _mm256_set1_epi64x(0x0c080400);
        const __m256i bytes = _mm256_shuffle_epi8(i, order);
        const __m128i both = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
        _mm_storel_epi64((__m128i *)(to + row), both);
        if (c->ties) ties[row / TILE] = (uint16_t)_mm256_movemask_ps(tie);
    }
}

#include "kernels/trees/ranks_driver.h"
