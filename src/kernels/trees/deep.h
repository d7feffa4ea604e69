/* Trees of many leaves, below tops that bit slices find: 8 bytes a node, siblings side by side, leaves that point to themselves.
 * Included by trees.h. */
#ifndef QC_TREES_DEEP_H
#define QC_TREES_DEEP_H

enum {
    QC_DEEP_TOP = 256, /* exits of a tree's top */
    QC_DEEP_COLUMNS = 256,
    QC_DEEP_SLOTS = 1 << 24 /* of a tree */
};

typedef struct {
    const uint64_t *slots; /* key << 32 | left child << 8 | column; of a leaf: its own slot, and a key that nothing exceeds */
    const uint32_t *leaf;  /* of each slot that is one, its number */
    const uint32_t *first; /* slot of each tree */
    const uint32_t *start; /* slot of each place in each tree's top, from its first on; QC_DEEP_TOP of them a tree */
} qc_deep;

/* leaves[tree * stride + row], from places[tree * stride + row] on, of n_trees trees from `tree` on. */
typedef void qc_walk_deep_int32_fn(const qc_deep *d, ptrdiff_t tree, ptrdiff_t n_trees, const int32_t *keys, ptrdiff_t width,
                                   const uint8_t *places, ptrdiff_t n_rows, uint32_t *leaves, ptrdiff_t stride);

/* The tops alone, in preorder: which of their nodes is an exit, the split that each other node is, and the exits (splits, or
 * ~leaf). `open` says which splits are opened. */
void qc_deep_tops_int32(const qc_forest *f, const uint8_t *open, uint8_t *leaf, int32_t *splits, int32_t *exits);

/* Fills what `d` points to but `start`, 2 * leaves - 1 slots a tree, and the slots of all splits and leaves; 0 where a tree has
 * more than QC_DEEP_SLOTS. */
int qc_deep_int32(const qc_forest *f, qc_deep *d, uint32_t *of_split, uint32_t *of_leaf);

#endif
