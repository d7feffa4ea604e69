#include <immintrin.h>
#include <string.h>

#include "kernels/sparse/sparse.h"

enum { BLOCK = 6 }; /* groups of 16 outputs that fit the 16 registers: 12 sums, a product, the value */

static inline __m256 widened(const int8_t *q) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)q)));
}

/* `groups` x 16 outputs of one row, from output `first` on; `groups` is a constant wherever this is inlined. */
QC_INLINE void block(const qc_csr *x, const qc_int8_rows *w, ptrdiff_t i, ptrdiff_t end, ptrdiff_t last, ptrdiff_t first,
                     const int groups, float *out) {
    __m256 sum[2 * BLOCK];
    QC_UNROLL
    for (int g = 0; g < 2 * groups; ++g) sum[g] = _mm256_setzero_ps();
    for (; i < end; ++i) {
        const ptrdiff_t stored = qc_stored_row(x, w, i);
        const int8_t *q = w->rows + stored * w->stride + first;
        const __m256 value = _mm256_set1_ps(x->data[i] * w->scale[stored]);
        qc_prefetch_row(x, w, i, last, first, QC_LANES * groups);
        QC_UNROLL
        for (int g = 0; g < 2 * groups; ++g) sum[g] = _mm256_add_ps(sum[g], _mm256_mul_ps(value, widened(q + 8 * g)));
    }
    ptrdiff_t left = w->n_outputs - first;
    QC_UNROLL
    for (int g = 0; g < 2 * groups; ++g, left -= 8) {
        if (left >= 8) {
            _mm256_storeu_ps(out + 8 * g, sum[g]);
        } else if (left > 0) {
            float tail[8];
            _mm256_storeu_ps(tail, sum[g]);
            memcpy(out + 8 * g, tail, (size_t)left * sizeof *tail);
        }
    }
}

void qc_scores_csr_int8_avx2(const qc_csr *x, const qc_int8_rows *w, float *out) {
    const ptrdiff_t last = qc_at(x->indptr, x->wide, x->n_rows);
    ptrdiff_t i = qc_at(x->indptr, x->wide, 0);
    for (ptrdiff_t row = 0; row < x->n_rows; ++row, out += w->n_outputs) {
        const ptrdiff_t end = qc_at(x->indptr, x->wide, row + 1);
        for (ptrdiff_t first = 0; first < w->n_outputs; first += BLOCK * QC_LANES) {
#define QC_CASE(groups)                                                  \
    case groups:                                                         \
        block(x, w, i, end, last, first, groups, out + first);           \
        break;
            switch ((w->stride - first) / QC_LANES) {
                QC_CASE(1)
                QC_CASE(2)
                QC_CASE(3)
                QC_CASE(4)
                QC_CASE(5)
            default:
                block(x, w, i, end, last, first, BLOCK, out + first);
            }
#undef QC_CASE
        }
        i = end;
    }
}
