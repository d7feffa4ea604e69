/* Bit-sliced trees: blocks of rows, a bit a row. README.md says how leaves are found. Included by trees.h. */
#ifndef QC_TREES_SLICED_H
#define QC_TREES_SLICED_H

enum {
    QC_SLICE = 512,       /* rows of a block: a mask of them fills a cache line */
    QC_WORDS = 8,         /* of 64 rows each */
    QC_MOST_RANKS = 255,  /* thresholds of a column of ranks */
    QC_MOST_LEAVES = 256, /* of a tree: a leaf's place is a byte */
    QC_MOST_PLANES = 8,
    QC_MOST_SLOTS = 512,  /* two of constants, two a split */
    QC_MOST_TESTS = 8191, /* of a group of trees: their masks fill half of a second level of cache; times 8 it is 16 bits */
    QC_LEAST_LEVELS = 5   /* of a search: 2^levels - 1 pivots */
};

/* Columns of ranks. A feature's thresholds are cut into columns of at most 255; the rank of x is the number of thresholds below
 * it, so that x <= threshold[j] where rank <= j. After them stands one column a set of categories: 0 left, 1 right. */
typedef struct {
    const qc_columns *columns; /* for sets of categories, and the number of features */
    const uint32_t *feature;   /* of each column of ranks, ascending */
    const uint8_t *missing;    /* as in qc_columns */
    const uint8_t *count, *levels;
    const uint32_t *first;     /* of its thresholds */
    const uint32_t *pivot;     /* of its pivots, 2^levels of them in breadth-first order, the first unused */
    const double *threshold;   /* ascending, exact */
    const float *exact;        /* pivots for float32 rows: the largest float32 not above each threshold */
    const float *nearest;      /* pivots for float64 rows, where only ties need another look; NULL: they are rounded first */
    ptrdiff_t n_columns;
    const uint8_t *sides;      /* of each set, for the codes missing, unknown, 0, 1, ...: 0 left, 1 right */
    const uint32_t *sides_first;
    int refused;               /* QC_REFUSE_... */
} qc_ranks;

enum { QC_REFUSE_NOTHING, QC_REFUSE_INFINITE, QC_REFUSE_NAN, QC_REFUSE_BOTH };

/* A step, of a split whose outcome is kept: slot 2 + 2k = slot[from] & mask[test], slot 3 + 2k = slot[from] & ~mask[test]. In a
 * plane: a term slot[from] & mask[test]. Both are stored times 8, as offsets into arrays of words of 64 rows. */
typedef struct {
    uint16_t from, test;
} qc_term;

/* Trees whose masks are made together. Mask 0 is all ones. */
typedef struct {
    uint32_t first_test, n_tests, first_tree, n_trees;
} qc_group;

typedef struct {
    const qc_group *groups;
    const uint32_t *test_column; /* of each test of a group */
    const uint8_t *test_rank;
    const uint32_t *program;     /* where each tree's terms begin */
    const qc_term *terms;        /* steps, then the planes' terms, each plane's count even */
    const uint16_t *counts;      /* of a tree: steps, planes, terms of each plane; 2 + QC_MOST_PLANES of them */
    const uint32_t *output;      /* of each tree; NULL: 0 */
    const uint32_t *table;       /* where each tree's leaf values begin, in values: 2^max(planes, 6) of them an output */
    const void *values;          /* in the order of places */
    const uint8_t *bytes;        /* the same, byte by byte: all lowest bytes, ... */
    const void *base;            /* of each output */
    ptrdiff_t n_groups, n_trees, width, n_outputs, most_tests;
    double divisor;
} qc_sliced;

/* ranks[column * QC_SLICE + row] of at most QC_SLICE rows; 1 if a value is refused. `codes` holds QC_SLICE of them. */
typedef int qc_ranks_blocks_float32_fn(const qc_ranks *r, const float *x, ptrdiff_t n_rows, uint8_t *ranks, int32_t *codes);
typedef int qc_ranks_blocks_float64_fn(const qc_ranks *r, const double *x, ptrdiff_t n_rows, uint8_t *ranks, int32_t *codes);

/* out[row] = (base + the values of its leaves, tree after tree) / divisor, of at most QC_SLICE rows. */
typedef void qc_sums_sliced_float32_fn(const qc_sliced *s, const uint8_t *ranks, ptrdiff_t n_rows, void *scratch, float *out);
typedef void qc_sums_sliced_float64_fn(const qc_sliced *s, const uint8_t *ranks, ptrdiff_t n_rows, void *scratch, double *out);

/* places[tree * stride + row]: where each row's leaf stands, of at most QC_SLICE rows; up to 63 more are written. `places` and
 * `stride` are multiples of 64. */
typedef void qc_places_sliced_uint8_fn(const qc_sliced *s, const uint8_t *ranks, ptrdiff_t n_rows, void *scratch, uint8_t *places,
                                       ptrdiff_t stride);

/* Bytes of scratch, aligned to 64: masks, slots, sums, places. */
QC_INLINE size_t qc_sliced_scratch(const qc_sliced *s) {
    return (size_t)(s->most_tests + 1) * 64 + QC_MOST_SLOTS * 64 + (size_t)s->n_outputs * QC_SLICE * 8 + QC_SLICE;
}

/* How trees become terms. `leaf` and `split` are as in qc_build_...; each test has a column of ranks and a rank in it. */
typedef struct {
    const uint8_t *leaf;
    const uint32_t *split;
    ptrdiff_t n_nodes, n_trees, n_tests;
} qc_sliced_source;

/* What is to be filled; any array may be NULL, and the counts alone are found. */
typedef struct {
    qc_group *groups;
    uint32_t *tests; /* of each group, numbers of tests */
    uint32_t *program;
    qc_term *terms;
    uint16_t *counts;
    uint8_t *places; /* of each leaf of all trees */
    uint32_t *table; /* not yet times the width */
    ptrdiff_t n_groups, n_listed, n_terms, n_places, most_tests;
} qc_sliced_layout;

/* `seen` holds n_tests words. 0 where a tree has more leaves than QC_MOST_LEAVES. */
int qc_sliced_build(const qc_sliced_source *source, uint32_t *seen, qc_sliced_layout *out);

/* Values in the order of places, from values[leaf * width + k] (index: [index[leaf]]); `size` is that of a value. */
void qc_sliced_values(const qc_sliced_source *source, const qc_sliced_layout *layout, const void *values, const uint32_t *index,
                      ptrdiff_t width, int size, void *to, uint8_t *bytes);

/* Columns of ranks, of at most QC_MOST_RANKS thresholds each, from all thresholds (float64 where `wide`) and the end of each
 * column's. Fills feature, missing, count, levels, first, pivot, exact and (not NULL) nearest, and of each test its column and its
 * rank there; where `column` is NULL, n_columns alone is found. Returns the number of pivots: in breadth-first order, the rest
 * infinite; of `exact` the largest float32 not above each. */
ptrdiff_t qc_ranks_build(const qc_columns *c, const uint32_t *ends, const void *threshold, int wide, qc_ranks *to,
                         uint32_t *column, uint8_t *rank);

#endif
