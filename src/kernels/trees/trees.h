/* Walks over tree ensembles. README.md says what is computed, and how numbers become keys. */
#ifndef QC_TREES_H
#define QC_TREES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/common.h"

enum {
    QC_TREES_LEFT = 1,         /* of `missing` and `sides`: a missing value goes left */
    QC_TREES_ZERO = 2,         /* of `missing`: so does what is within 1e-35f of 0 */
    QC_TREES_MEMBERS_LEFT = 2, /* of `sides` */
    QC_TREES_LANES = 8         /* walks that run interleaved */
};

typedef enum { QC_CATEGORY_EQUAL, QC_CATEGORY_TRUNCATED, QC_CATEGORY_UNSIGNED } qc_category_rule;

/* Columns of keys: one per (feature, missing) with thresholds, then one per set of categories. */
typedef struct {
    const uint32_t *feature;
    const uint8_t *missing;
    ptrdiff_t n_columns, n_features;
    const uint32_t *category_feature, *category_ends;
    const double *category_values;
    ptrdiff_t n_categorical;
    const uint32_t *set_feature; /* position among the categorical features */
    const uint8_t *set_sides;
    const ptrdiff_t *set_starts;
    const uint8_t *members;
    ptrdiff_t n_sets;
    qc_category_rule rule;
} qc_columns;

/* A split: the right child where the key of its column is larger. Children: another split, or ~leaf. */
typedef struct {
    int32_t key;
    uint32_t column;
    int32_t child[2];
} qc_node_int32;

typedef struct {
    int64_t key;
    uint32_t column;
    int32_t child[2];
} qc_node_int64;

typedef struct {
    const void *nodes;
    const int32_t *roots;
    ptrdiff_t n_trees;
} qc_forest;

/* Values of leaves: `width` of them go to the outputs from `output[tree]` on. */
typedef struct {
    const void *values;
    const uint32_t *index, *output; /* NULL: leaf j has row j; all trees begin at output 0 */
    ptrdiff_t width, n_outputs;
} qc_leaf_values;

typedef void qc_keys_rows_float32_fn(const qc_columns *c, const float *x, ptrdiff_t n_rows, int32_t *keys, int32_t *codes);
typedef void qc_keys_rows_float64_fn(const qc_columns *c, const double *x, ptrdiff_t n_rows, int64_t *keys, int32_t *codes);

/* leaves[tree * stride + row]; keys of a row are `width` apart. */
typedef void qc_walk_rows_int32_fn(const qc_forest *f, const int32_t *keys, ptrdiff_t width, ptrdiff_t n_rows, uint32_t *leaves,
                                   ptrdiff_t stride);
typedef void qc_walk_rows_int64_fn(const qc_forest *f, const int64_t *keys, ptrdiff_t width, ptrdiff_t n_rows, uint32_t *leaves,
                                   ptrdiff_t stride);

/* out[row] += the values of its leaves, tree after tree, from tree `first` on. */
typedef void qc_sum_leaves_float32_fn(const qc_leaf_values *v, const uint32_t *leaves, ptrdiff_t stride, ptrdiff_t first,
                                      ptrdiff_t n_trees, ptrdiff_t n_rows, float *out);
typedef void qc_sum_leaves_float64_fn(const qc_leaf_values *v, const uint32_t *leaves, ptrdiff_t stride, ptrdiff_t first,
                                      ptrdiff_t n_trees, ptrdiff_t n_rows, double *out);

#include "kernels/trees/sliced.h"
#include "kernels/trees/tops.h"
#include "kernels/trees/deep.h"

#define QC_FAMILY_trees
#include "kernels/declare.h"

/* Integers in the order of the floats: both zeros are one, and every number lies between the two ends, which stand for
 * "always left" and "always right". */
QC_INLINE int32_t qc_key_float32(float x) {
    union {
        float value;
        int32_t bits;
    } u;
    u.value = x + 0.0f;
    return u.bits ^ (int32_t)((uint32_t)(u.bits >> 31) >> 1);
}

QC_INLINE int64_t qc_key_float64(double x) {
    union {
        double value;
        int64_t bits;
    } u;
    u.value = x + 0.0;
    return u.bits ^ (int64_t)((uint64_t)(u.bits >> 63) >> 1);
}

/* Fills nodes (one a split) and roots (n_trees of them) from flags in preorder; 0 where those are not so many whole trees.
 * `column` and `threshold` are those of each test; tests from n_thresholds on are sets. */
int qc_build_int32(const uint8_t *leaf, ptrdiff_t n_nodes, const uint32_t *split, const uint32_t *column, const float *threshold,
                   ptrdiff_t n_thresholds, qc_node_int32 *nodes, int32_t *roots, ptrdiff_t n_trees);
int qc_build_int64(const uint8_t *leaf, ptrdiff_t n_nodes, const uint32_t *split, const uint32_t *column, const double *threshold,
                   ptrdiff_t n_thresholds, qc_node_int64 *nodes, int32_t *roots, ptrdiff_t n_trees);

#endif
