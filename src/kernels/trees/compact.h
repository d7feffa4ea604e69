/* Trees of many leaves: 8 bytes a node, siblings side by side, leaves that point to themselves. Included by trees.h. */
#ifndef QC_TREES_COMPACT_H
#define QC_TREES_COMPACT_H

enum { QC_COMPACT_COLUMNS = 256, QC_COMPACT_SLOTS = 1 << 24 /* of a tree */ };

typedef struct {
    const uint64_t *slots; /* key << 32 | left child << 8 | column; of a leaf: its own slot, and a key that nothing exceeds */
    const uint32_t *leaf;  /* of each slot that is one, its number */
    const uint32_t *first; /* slot of each tree */
    const uint32_t *least; /* of each tree, the depth of its highest leaf */
} qc_compact;

/* leaves[tree * stride + row], of n_trees trees from `tree` on. */
typedef void qc_walk_compact_int32_fn(const qc_compact *c, ptrdiff_t tree, ptrdiff_t n_trees, const int32_t *keys,
                                      ptrdiff_t width, ptrdiff_t n_rows, uint32_t *leaves, ptrdiff_t stride);

/* Fills what `c` points to, 2 * leaves - 1 slots a tree; 0 where a tree has more than QC_COMPACT_SLOTS. */
int qc_compact_int32(const qc_forest *f, qc_compact *c);

#endif
