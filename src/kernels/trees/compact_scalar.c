#include "kernels/trees/trees.h"

int qc_compact_int32(const qc_forest *f, qc_compact *c) {
    const qc_node_int32 *nodes = (const qc_node_int32 *)f->nodes;
    uint64_t *slots = (uint64_t *)c->slots;
    uint32_t *leaf = (uint32_t *)c->leaf;
    uint32_t first = 0;
    for (ptrdiff_t tree = 0; tree < f->n_trees; ++tree) {
        /* Breadth first; what a slot will hold waits in its place among the leaves. */
        uint32_t next = 1, level_end = 1, depth = 0, least = UINT32_MAX;
        leaf[first] = (uint32_t)f->roots[tree];
        for (uint32_t slot = 0; slot < next; ++slot) {
            const int32_t here = (int32_t)leaf[first + slot];
            if (slot == level_end) {
                ++depth;
                level_end = next;
            }
            if (here < 0) {
                slots[first + slot] = (uint64_t)INT32_MAX << 32 | (uint64_t)slot << 8;
                leaf[first + slot] = (uint32_t)~here;
                if (least > depth) least = depth;
                continue;
            }
            if (next + 2 > QC_COMPACT_SLOTS) return 0;
            slots[first + slot] = (uint64_t)(uint32_t)nodes[here].key << 32 | (uint64_t)next << 8 | nodes[here].column;
            leaf[first + next] = (uint32_t)nodes[here].child[0];
            leaf[first + next + 1] = (uint32_t)nodes[here].child[1];
            next += 2;
        }
        ((uint32_t *)c->first)[tree] = first;
        ((uint32_t *)c->least)[tree] = least;
        first += next;
    }
    return 1;
}

QC_INLINE uint32_t step(const uint64_t *slots, uint32_t at, const int32_t *keys) {
    const uint64_t q = slots[at];
    return ((uint32_t)q >> 8) + (uint32_t)(keys[q & 0xff] > (int32_t)(q >> 32));
}

/* Nodes come from the second level of the cache: 16 walks hide that better than 8, though their state fits no registers. */
enum { LANES = 16 };
#define QC_EIGHT_LANES(apply) apply(0) apply(1) apply(2) apply(3) apply(4) apply(5) apply(6) apply(7)
#define QC_ALL_LANES(apply) \
    QC_EIGHT_LANES(apply) apply(8) apply(9) apply(10) apply(11) apply(12) apply(13) apply(14) apply(15)

void qc_walk_compact_int32_scalar(const qc_compact *c, ptrdiff_t tree, ptrdiff_t n_trees, const int32_t *keys, ptrdiff_t width,
                                  ptrdiff_t n_rows, uint32_t *leaves, ptrdiff_t stride) {
    for (ptrdiff_t end = tree + n_trees; tree < end; ++tree, leaves += stride) {
        const uint64_t *slots = c->slots + c->first[tree];
        const uint32_t *leaf = c->leaf + c->first[tree], least = c->least[tree];
        for (ptrdiff_t row = 0; row < n_rows; row += LANES) {
            /* The last rows: some lanes go through the last one again. */
            const ptrdiff_t last = n_rows - 1 - row;
#define QC_BEGIN(k)                                             \
    const int32_t *x##k = keys + (row + (k < last ? k : last)) * width; \
    uint32_t at##k = 0;
            QC_ALL_LANES(QC_BEGIN)
#define QC_STEP(k) at##k = step(slots, at##k, x##k);
            for (uint32_t depth = 0; depth < least; ++depth) {
                QC_ALL_LANES(QC_STEP)
            }
#define QC_LAST_STEP(k)                                  \
    const uint32_t next##k = step(slots, at##k, x##k); \
    moved |= next##k ^ at##k;                            \
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
