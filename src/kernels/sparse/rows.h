/* Rows of one length, 16 outputs at a time: included by an instruction set's file after its primitives (simd_<isa>.h). */

/* `groups` x 16 outputs of one row of X, from output `first` on; `groups` and `dtype` are constants wherever this is inlined. */
QC_INLINE void block(const qc_rows *w, const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, ptrdiff_t first,
                     const int groups, const int dtype, float *out) {
    const ptrdiff_t bytes = qc_group_bytes(dtype), at = first / QC_LANES * bytes, left = w->n_outputs - first;
    lanes sum[BLOCK];
    QC_UNROLL
    for (int g = 0; g < groups; ++g) sum[g] = fresh ? lanes_zero() : lanes_load(out + QC_LANES * g, left - QC_LANES * g);
    for (ptrdiff_t n = begin; n < end; ++n) {
        const ptrdiff_t stored = qc_stored(e, n);
        const char *row = qc_row(w, stored) + at;
        const lanes value = lanes_all(qc_value(e, w, n, stored));
        if (n + QC_AHEAD < e->last) {
            const ptrdiff_t next = qc_stored(e, n + QC_AHEAD);
            if (w->scale) QC_PREFETCH(w->scale + next);
            qc_prefetch(qc_row(w, next) + at, bytes * groups);
        }
        QC_UNROLL
        for (int g = 0; g < groups; ++g)
            sum[g] = lanes_add(sum[g], lanes_mul(value, lanes_widened(row + bytes * g, dtype)));
    }
    QC_UNROLL
    for (int g = 0; g < groups; ++g) lanes_store(out + QC_LANES * g, sum[g], left - QC_LANES * g);
}

QC_INLINE void part(const qc_entries *e, ptrdiff_t begin, ptrdiff_t end, int fresh, const qc_rows *w, float *out,
                    const int dtype) {
    const ptrdiff_t wide = BLOCK * QC_LANES;
    ptrdiff_t first = 0, left = w->n_outputs;
    for (; left > wide; first += wide, left -= wide) block(w, e, begin, end, fresh, first, BLOCK, dtype, out + first);
    switch ((left + QC_LANES - 1) / QC_LANES) {
#define QC_CASE(groups)                                                                               \
    case groups:                                                                                      \
        if (groups <= BLOCK) block(w, e, begin, end, fresh, first, groups, dtype, out + first);       \
        break;
        QC_CASE(1)
        QC_CASE(2)
        QC_CASE(3)
        QC_CASE(4)
        QC_CASE(5)
        QC_CASE(6)
#if BLOCK > 6
        QC_CASE(7)
        QC_CASE(8)
        QC_CASE(9)
        QC_CASE(10)
        QC_CASE(11)
        QC_CASE(12)
        QC_CASE(13)
        QC_CASE(14)
        QC_CASE(15)
        QC_CASE(16)
#endif
#undef QC_CASE
    }
}

#include "kernels/sparse/each.h"
