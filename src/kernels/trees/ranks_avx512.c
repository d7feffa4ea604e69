/* Ranks, 16 rows at a time: tiles of 16 x 16 values are transposed, pivots are searched in registers. */
#include <immintrin.h>
#include <math.h>

#include "kernels/trees/ranks.h"

enum { TILE = 16, ROWS = 128 /* of a tile, so that they stay in the first level of the cache */ };

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

typedef struct {
    const float *pivots;
    int missing, count, ties;
} column;

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
QC_INLINE void search(const column *c, const int levels, const float *rows, int n, uint8_t *to, __mmask16 *ties) {
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

QC_INLINE void search_column(const column *c, int levels, const float *rows, int n, uint8_t *to, __mmask16 *ties) {
    switch (levels) {
    case 5: search(c, 5, rows, n, to, ties); break;
    case 6: search(c, 6, rows, n, to, ties); break;
    case 7: search(c, 7, rows, n, to, ties); break;
    default: search(c, 8, rows, n, to, ties); break;
    }
}

static void search_exact(const column *c, int levels, const float *rows, int n, uint8_t *to) {
    column plain = *c;
    plain.ties = 0;
    search_column(&plain, levels, rows, n, to, NULL);
}

static void search_nearest(const column *c, int levels, const float *rows, int n, uint8_t *to, __mmask16 *ties) {
    column plain = *c;
    plain.ties = 1;
    search_column(&plain, levels, rows, n, to, ties);
}

#define RANKS(name, type, single)                                                                                         \
    int qc_ranks_blocks_##name##_avx512(const qc_ranks *r, const type *x, ptrdiff_t n_rows, uint8_t *ranks,               \
                                        int32_t *codes) {                                                                 \
        _Alignas(64) float tile[TILE * ROWS];                                                                             \
        __mmask16 ties[ROWS / 16];                                                                                        \
        const ptrdiff_t width = r->columns->n_features;                                                                   \
        const float *pivots = !single && r->nearest ? r->nearest : r->exact;                                              \
        const __m512 infinite = _mm512_set1_ps(INFINITY);                                                                 \
        ptrdiff_t next = 0;                                                                                               \
        for (ptrdiff_t first = 0; first < width; first += TILE) {                                                         \
            ptrdiff_t end = next;                                                                                         \
            while (end < r->n_columns && r->feature[end] < first + TILE) ++end;                                           \
            if (end == next && !r->refused) continue;                                                                     \
            const __mmask16 columns = (__mmask16)(width - first >= TILE ? 0xffff : (1 << (width - first)) - 1);           \
            for (ptrdiff_t start = 0; start < n_rows; start += ROWS) {                                                    \
                const int n = (int)(n_rows - start < ROWS ? n_rows - start : ROWS);                                       \
                __mmask16 nan = 0, large = 0;                                                                             \
                for (int row = 0; row < n; row += TILE) {                                                                 \
                    const type *from = x + (start + row) * width + first;                                                 \
                    __m512 a[TILE];                                                                                       \
                    QC_UNROLL for (int k = 0; k < TILE; ++k, from += width)                                               \
                        a[k] = row + k < n ? load_##name(from, columns) : _mm512_setzero_ps();                            \
                    if (r->refused) {                                                                                     \
                        QC_UNROLL for (int k = 0; k < TILE; ++k) {                                                        \
                            nan |= _mm512_cmp_ps_mask(a[k], a[k], _CMP_UNORD_Q);                                          \
                            large |= _mm512_cmp_ps_mask(_mm512_abs_ps(a[k]), infinite, _CMP_EQ_OQ);                       \
                        }                                                                                                 \
                    }                                                                                                     \
                    transpose(a, tile + row);                                                                             \
                }                                                                                                         \
                if ((nan && (r->refused & QC_REFUSE_NAN)) || (large && (r->refused & QC_REFUSE_INFINITE))) return 1;      \
                for (ptrdiff_t j = next; j < end; ++j) {                                                                  \
                    const float *rows = tile + (r->feature[j] - first) * ROWS;                                            \
                    const column c = {pivots + r->pivot[j], r->missing[j], r->count[j], 0};                               \
                    uint8_t *to = ranks + j * QC_SLICE + start;                                                           \
                    if (single || !r->nearest) {                                                                          \
                        search_exact(&c, r->levels[j], rows, n, to);                                                      \
                        continue;                                                                                         \
                    }                                                                                                     \
                    search_nearest(&c, r->levels[j], rows, n, to, ties);                                                  \
                    for (int k = 0; k * 16 < n; ++k)                                                                      \
                        for (unsigned left = ties[k]; left; left &= left - 1) {                                           \
                            const int row = k * 16 + (int)_tzcnt_u32(left);                                               \
                            if (row < n) to[row] = qc_rank(r, j, x[(start + row) * width + r->feature[j]]);               \
                        }                                                                                                 \
                }                                                                                                         \
            }                                                                                                             \
            next = end;                                                                                                   \
        }                                                                                                                 \
        return qc_set_columns(r, x, single, n_rows, ranks, codes);                                                        \
    }

RANKS(float32, float, 1)
RANKS(float64, double, 0)
