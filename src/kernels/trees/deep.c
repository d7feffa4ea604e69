#include "kernels/trees/trees.h"

void qc_deep_tops_int32(const qc_forest *f, const uint8_t *open, uint8_t *leaf, int32_t *splits, int32_t *exits) {
    const qc_node_int32 *nodes = (const qc_node_int32 *)f->nodes;
    for (ptrdiff_t tree = 0; tree < f->n_trees; ++tree) {
        int32_t waiting[QC_DEEP_TOP] = {f->roots[tree]}; /* right children, and the one that comes next */
        for (int n = 1; n;) {
            const int32_t here = waiting[--n];
            *leaf = here < 0 || !open[here];
            if (*leaf++) {
                *exits++ = here;
                continue;
            }
            *splits++ = here;
            waiting[n++] = nodes[here].child[1];
            waiting[n++] = nodes[here].child[0];
        }
    }
}

int qc_deep_int32(const qc_forest *f, qc_deep *d, uint32_t *of_split, uint32_t *of_leaf) {
    const qc_node_int32 *nodes = (const qc_node_int32 *)f->nodes;
    uint64_t *slots = (uint64_t *)d->slots;
    uint32_t *leaf = (uint32_t *)d->leaf;
    uint32_t first = 0;
    for (ptrdiff_t tree = 0; tree < f->n_trees; ++tree) {
        /* Breadth first; what a slot will hold waits in its place among the leaves. */
        uint32_t next = 1;
        leaf[first] = (uint32_t)f->roots[tree];
        for (uint32_t slot = 0; slot < next; ++slot) {
            const int32_t here = (int32_t)leaf[first + slot];
            if (here < 0) {
                slots[first + slot] = (uint64_t)INT32_MAX << 32 | (uint64_t)slot << 8;
                leaf[first + slot] = (uint32_t)~here;
                of_leaf[~here] = slot;
                continue;
            }
            if (next + 2 > QC_DEEP_SLOTS) return 0;
            of_split[here] = slot;
            slots[first + slot] = (uint64_t)(uint32_t)nodes[here].key << 32 | (uint64_t)next << 8 | nodes[here].column;
            leaf[first + next] = (uint32_t)nodes[here].child[0];
            leaf[first + next + 1] = (uint32_t)nodes[here].child[1];
            next += 2;
        }
        ((uint32_t *)d->first)[tree] = first;
        first += next;
    }
    return 1;
}
