/* The tops of trees, for one row: up to 63 splits of each, 64 trees at a time. README.md says how. Included by trees.h. */
#ifndef QC_TREES_TOPS_H
#define QC_TREES_TOPS_H

enum {
    QC_PACK = 64,          /* trees, a byte each */
    QC_MOST_EXITS = 64,    /* of a tree */
    QC_TOP_PLANES = QC_MOST_EXITS / 8,
    QC_TOP_COLUMNS = 128,  /* of ranks, which stay in registers */
    QC_TOP_BLOCK = 16,     /* thresholds that are compared at once */
    QC_TOP_THRESHOLDS = 255 /* of a column of ranks */
};

/* One test of each tree of a pack: right where the rank of its column is above `most`, and then eight exits lose those of the
 * left subtree; the first is the highest bit. */
typedef struct {
    uint8_t column[QC_PACK], most[QC_PACK], strike[QC_PACK];
} qc_top_tests;

typedef struct {
    /* Columns of ranks: where each one's value stands; its thresholds in blocks, filled up with infinity. Where there is more
     * than one block, the last of each stand in front of them, in a block of their own. */
    const uint8_t *source, *blocks;
    const uint32_t *first;
    const float *exact;        /* thresholds for values that are exact: the largest float32 not above each */
    const float *nearest;      /* for values that were rounded; NULL: there are none */
    ptrdiff_t n_columns;
    const qc_top_tests *tests;
    const uint32_t *slots;     /* [pack][plane]: where the tests of each eight exits begin; one more at the end */
    const uint8_t *planes;     /* of each pack */
    const int32_t *exits;      /* [tree][QC_MOST_EXITS]: a split, or ~leaf */
    ptrdiff_t n_trees, n_packs;
} qc_tops;

/* at[tree] = the exit of one row, from its values (qc_row_values_...). Where `rounded`: 1 if a value equals a threshold, and more
 * than float32 is needed to tell; `at` then is of no use. */
typedef int qc_tops_row_float32_fn(const qc_tops *t, const float *values, int rounded, int32_t *at);

/* Opens the splits of each tree's top, until it has so many exits, at most QC_DEEP_TOP: their numbers, tree after tree, and where
 * each tree's end. Returns how many there are. `leaves` is room for a count a split. */
ptrdiff_t qc_tops_open_int32(const qc_forest *f, ptrdiff_t n_splits, int most_exits, uint32_t *leaves, int32_t *opened,
                             uint32_t *ends);
ptrdiff_t qc_tops_open_int64(const qc_forest *f, ptrdiff_t n_splits, int most_exits, uint32_t *leaves, int32_t *opened,
                             uint32_t *ends);

/* Puts the places of the opened splits in order, by column, then by key: `order` is room for 2 * n numbers. */
void qc_tops_order(const qc_forest *f, int wide, const int32_t *opened, ptrdiff_t n, uint32_t *order);

/* Columns of ranks of the opened splits, in that order: fills source, blocks, first, exact and (not NULL) nearest, and of each
 * split its column of ranks and the most that goes left there; where `column` is NULL, n_columns alone is found. Columns from
 * `n_columns` on are sets: -infinity is left there, NaN right. Returns the numbers in a table, -1 where QC_TOP_COLUMNS are too
 * few. */
ptrdiff_t qc_tops_columns(const qc_forest *f, int wide, const int32_t *opened, ptrdiff_t n, ptrdiff_t n_columns,
                          const uint32_t *order, qc_tops *to, uint8_t *column, uint8_t *most);

/* Fills slots and planes, and returns the number of tests; where `tests` is not NULL, tests (which hold what never strikes) and
 * exits as well. `column` and `most` are those of each opened split. */
ptrdiff_t qc_tops_write_int32(const qc_forest *f, const int32_t *opened, const uint32_t *ends, const uint8_t *column,
                              const uint8_t *most, qc_tops *to);
ptrdiff_t qc_tops_write_int64(const qc_forest *f, const int32_t *opened, const uint32_t *ends, const uint8_t *column,
                              const uint8_t *most, qc_tops *to);

#endif
