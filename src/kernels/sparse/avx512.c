#include <immintrin.h>

#include "kernels/sparse/sparse.h"

enum { BLOCK = 16 }; /* groups of 16 outputs, one register of sums each: half of the registers */

static inline __m512 widened(const int8_t *q) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)q)));
}

/* `groups` x 16 outputs of one row, from output `first` on; `groups` is a constant wherever this is inlined. */
QC_INLINE void block(const qc_csr *x, const qc_int8_rows *w, ptrdiff_t i, ptrdiff_t end, ptrdiff_t last, ptrdiff_t first,
                     const int groups, float *out) {
    __m512 sum[BLOCK];
    QC_UNROLL
    for (int g = 0; g < groups; ++g) sum[g] = _mm512_setzero_ps();
    for (; i < end; ++i) {
        const ptrdiff_t stored = qc_stored_row(x, w, i);
        const int8_t *q = w->rows + stored * w->stride + first;
        const __m512 value = _mm512_set1_ps(x->data[i] * w->scale[stored]);
        qc_prefetch_row(x, w, i, last, first, QC_LANES * groups);
        QC_UNROLL
        for (int g = 0; g < groups; ++g) sum[g] = _mm512_add_ps(sum[g], _mm512_mul_ps(value, widened(q + 16 * g)));
    }
    QC_UNROLL
    for (int g = 0; g < groups; ++g) {
        const ptrdiff_t left = w->n_outputs - first - 16 * g;
        _mm512_mask_storeu_ps(out + 16 * g, left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1u), sum[g]);
    }
}

void qc_scores_csr_int8_avx512(const qc_csr *x, const qc_int8_rows *w, float *out) {
    const ptrdiff_t last = qc_at(x->indptr, x->wide, x->n_rows);
    ptrdiff_t i = qc_at(x->indptr, x->wide, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += w->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide, row + 1);
        for (ptrdiff_t first = 0; first < w->n_outputs; first += BLOCK * QC_LANES) {
#define QC_CASE(groups)                                        \
    case groups:                                               \
        block(x, w, i, end, last, first, groups, out + first); \
        break;
            switch ((w->stride - first) / QC_LANES) {
                QC_CASE(1)
                QC_CASE(2)
                QC_CASE(3)
                QC_CASE(4)
                QC_CASE(5)
                QC_CASE(6)
                QC_CASE(7)
                QC_CASE(8)
                QC_CASE(9)
                QC_CASE(10)
                QC_CASE(11)
                QC_CASE(12)
                QC_CASE(13)
                QC_CASE(14)
                QC_CASE(15)
            default:
                block(x, w, i, end, last, first, BLOCK, out + first);
            }
#undef QC_CASE
        }
        i = end;
    }
}
