/* The tops of trees, for one row: up to 31 splits of each, 16 trees at a time. README.md says how. Included by trees.h. */
#ifndef QC_TREES_TOPS_H
#define QC_TREES_TOPS_H

enum {
    QC_PACK = 16,        /* trees */
    QC_MOST_EXITS = 32,  /* a bit each */
    QC_TOP_COLUMNS = 128 /* of values, which stay in registers */
};

/* A pack has as many slots as its largest top has splits; slot s holds the s-th split of each of its trees. */
typedef struct {
    const uint32_t *slots;   /* where each pack's begin; one more at the end */
    const uint8_t *column;   /* [slot][tree of the pack] */
    const float *exact;      /* thresholds for values that are exact: the largest float32 not above each */
    const float *nearest;    /* for values that were rounded; NULL: there are none */
    const uint32_t *keep;    /* exits that are left when x is above: all but the left subtree's; exit 0 is the highest bit */
    const int32_t *exits;    /* [tree][QC_MOST_EXITS]: a split, or ~leaf */
    ptrdiff_t n_trees, n_packs;
} qc_tops;

/* at[tree] = the exit of one row, from the values of its columns; room for whole packs. Where `rounded`: 1 if a value equals a
 * threshold, and more than float32 is needed to tell. */
typedef int qc_tops_row_float32_fn(const qc_tops *t, const float *values, ptrdiff_t n_values, int rounded, int32_t *at);

/* Fills what `t` points to from the nodes of a forest; without arrays (slots NULL) it returns the number of slots alone.
 * `leaves` is room for a count a split. */
ptrdiff_t qc_tops_int32(const qc_forest *f, ptrdiff_t n_splits, uint32_t *leaves, qc_tops *t);
ptrdiff_t qc_tops_int64(const qc_forest *f, ptrdiff_t n_splits, uint32_t *leaves, qc_tops *t);

#endif
