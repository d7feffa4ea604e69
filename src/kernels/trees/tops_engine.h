/* One row: values → ranks → exits. Included once for each instruction set, after its own
 *     uint32_t above(const float *block, float x, uint32_t *equal)
 * the number of thresholds of a block that are not x or above, and whether x is one of them; NaN is above all. */
#include "kernels/trees/trees.h"

QC_INLINE int rank_columns(const qc_tops *t, const float *values, int rounded, uint8_t *ranks) {
    const float *thresholds = rounded ? t->nearest : t->exact;
    uint32_t tie = 0;
    for (ptrdiff_t j = 0; j < t->n_columns; ++j) {
        const float *from = thresholds + t->first[j], x = values[t->source[j]];
        uint32_t block = 0, equal = 0;
        if (t->blocks[j] > 1) {
            block = above(from, x, &equal);
            block = block < t->blocks[j] ? block : t->blocks[j] - 1u;
            from += QC_TOP_BLOCK * (1 + block);
            equal = 0;
        }
        const uint32_t rank = block * QC_TOP_BLOCK + above(from, x, &equal);
        ranks[j] = (uint8_t)(rank < 255 ? rank : 255); /* tests stop at 254 */
        tie |= equal;
    }
    return rounded && tie;
}

QC_INLINE void take_exits(const qc_tops *t, ptrdiff_t pack, const uint8_t *found, int32_t *at) {
    const int32_t *exits = t->exits + pack * QC_PACK * QC_MOST_EXITS;
    const ptrdiff_t left = t->n_trees - pack * QC_PACK, n = left < QC_PACK ? left : QC_PACK;
    at += pack * QC_PACK;
    for (ptrdiff_t k = 0; k < n; ++k, exits += QC_MOST_EXITS) at[k] = exits[found[k] % QC_MOST_EXITS];
}
