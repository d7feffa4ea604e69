#include "kernels/trees/trees.h"

QC_INLINE uint32_t step(const uint64_t *slots, uint32_t at, const int32_t *keys) {
    const uint64_t q = slots[at];
    return ((uint32_t)q >> 8) + (uint32_t)(keys[q & 0xff] > (int32_t)(q >> 32));
}

/* Nodes come from the second level of the cache: 16 walks hide that better than 8, though their state fits no registers. */
enum { LANES = 16 };
#define QC_EIGHT_LANES(apply) apply(0) apply(1) apply(2) apply(3) apply(4) apply(5) apply(6) apply(7)
#define QC_ALL_LANES(apply) \
    QC_EIGHT_LANES(apply) apply(8) apply(9) apply(10) apply(11) apply(12) apply(13) apply(14) apply(15)

void qc_walk_deep_int32_scalar(const qc_deep *d, ptrdiff_t tree, ptrdiff_t n_trees, const int32_t *keys, ptrdiff_t width,
                               const uint8_t *places, ptrdiff_t n_rows, uint32_t *leaves, ptrdiff_t stride) {
    for (ptrdiff_t end = tree + n_trees; tree < end; ++tree, leaves += stride, places += stride) {
        const uint64_t *slots = d->slots + d->first[tree];
        const uint32_t *leaf = d->leaf + d->first[tree], *start = d->start + tree * QC_DEEP_TOP;
        for (ptrdiff_t row = 0; row < n_rows; row += LANES) {
            /* The last rows: some lanes go through the last one again. */
            const ptrdiff_t last = n_rows - 1 - row;
#define QC_BEGIN(k)                                                 \
    const ptrdiff_t row##k = row + (k < last ? k : last);           \
    const int32_t *x##k = keys + row##k * width;                    \
    uint32_t at##k = start[places[row##k]];
            QC_ALL_LANES(QC_BEGIN)
#define QC_STEP(k) at##k = step(slots, at##k, x##k);
#define QC_LAST_STEP(k)                                \
    const uint32_t next##k = step(slots, at##k, x##k); \
    moved |= next##k ^ at##k;                          \
    at##k = next##k;
            for (uint32_t moved = 1; moved;) {
                moved = 0;
                QC_ALL_LANES(QC_STEP)
                QC_ALL_LANES(QC_LAST_STEP)
            }
#define QC_END(k) \
    if (k <= last) leaves[row + k] = leaf[at##k];
            QC_ALL_LANES(QC_END)
        }
    }
}
