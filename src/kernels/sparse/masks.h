/* Masks, 64 outputs at a time: included by an instruction set's file after its primitives and `expanded`, which spreads packed
 * values over the outputs whose bits are set.
 *
 * A stored row is one bit an output, in words of 64, then the weights (int8) whose bits are set, one after another. */

/* `words` x 64 outputs of one row of X, from output `first` on; `words` is a constant wherever this is inlined. */
QC_INLINE void block(const qc_rows *w, const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, ptrdiff_t first,
                     const int words, float *out) {
    const ptrdiff_t left = w->n_outputs - first, mask_bytes = (w->n_outputs + 63) / 64 * 8;
    lanes sum[4 * WORDS];
    QC_UNROLL
    for (int g = 0; g < 4 * words; ++g)
        sum[g] = fresh || left <= 16 * g ? lanes_zero() : lanes_load(out + 16 * g, left - 16 * g);
    for (ptrdiff_t n = begin; n < end; ++n) {
        const ptrdiff_t stored = qc_stored(e, n);
        const char *row = qc_row_from(w, stored), *masks = row + first / 8;
        const char *packed = first ? e->packed[n] : row + mask_bytes;
        const lanes value = lanes_all(qc_value(e, w, n, stored));
        if (!first) qc_prefetch_from(e, w, n); /* later blocks find it in L1 */
        QC_UNROLL
        for (int word = 0; word < words; ++word) {
            uint64_t mask;
            memcpy(&mask, masks + 8 * word, sizeof mask);
            const spread sixty_four = spread_over(mask, packed);
            packed += qc_count_bits(mask);
            QC_UNROLL
            for (int g = 0; g < 4; ++g)
                sum[4 * word + g] = lanes_add(sum[4 * word + g], lanes_mul(value, spread_lanes(sixty_four, g)));
        }
        e->packed[n] = packed; /* where the next block of outputs goes on */
    }
    QC_UNROLL
    for (int g = 0; g < 4 * words; ++g)
        if (left > 16 * g) lanes_store(out + 16 * g, sum[g], left - 16 * g);
}

QC_INLINE void part(const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, const qc_rows *w, float *out,
                    const int dtype) {
    (void)dtype;
    ptrdiff_t first = 0;
    for (; w->n_outputs - first > 64 * WORDS; first += 64 * WORDS)
        block(w, e, begin, end, fresh, first, WORDS, out + first);
    switch ((w->n_outputs - first + 63) / 64) {
    case 1:
        block(w, e, begin, end, fresh, first, 1, out + first);
        break;
#if WORDS > 1
    case 2:
        block(w, e, begin, end, fresh, first, 2, out + first);
        break;
    case 3:
        block(w, e, begin, end, fresh, first, 3, out + first);
        break;
    case 4:
        block(w, e, begin, end, fresh, first, 4, out + first);
        break;
#endif
    }
}

#include "kernels/sparse/each.h"
