#include "kernels/trees/trees.h"

/* Splits that wait for their right child are a stack, linked through that child's place. */
#define QC_BUILD(name, type, node_type, key_of)                                                                           \
    int name(const uint8_t *leaf, ptrdiff_t n_nodes, const uint32_t *split, const uint32_t *column, const type *threshold,\
             ptrdiff_t n_thresholds, node_type *nodes, int32_t *roots, ptrdiff_t n_trees) {                               \
        ptrdiff_t tree = 0;                                                                                               \
        int32_t n_splits = 0, n_leaves = 0, parent = -1, waiting = -1;                                                    \
        for (ptrdiff_t i = 0; i < n_nodes; ++i) {                                                                         \
            const int32_t here = leaf[i] ? ~n_leaves++ : n_splits++;                                                      \
            if (parent >= 0) {                                                                                            \
                nodes[parent].child[0] = here;                                                                            \
                nodes[parent].child[1] = waiting;                                                                         \
                waiting = parent;                                                                                         \
            } else if (waiting >= 0) {                                                                                    \
                const int32_t next = nodes[waiting].child[1];                                                             \
                nodes[waiting].child[1] = here;                                                                           \
                waiting = next;                                                                                           \
            } else {                                                                                                      \
                if (tree == n_trees) return 0;                                                                            \
                roots[tree++] = here;                                                                                     \
            }                                                                                                             \
            parent = -1;                                                                                                  \
            if (here >= 0) {                                                                                              \
                const uint32_t test = split[here];                                                                        \
                nodes[here].key = (ptrdiff_t)test < n_thresholds ? key_of(threshold[test]) : 0;                           \
                nodes[here].column = column[test];                                                                        \
                parent = here;                                                                                            \
            }                                                                                                             \
        }                                                                                                                 \
        return parent < 0 && waiting < 0 && tree == n_trees;                                                              \
    }

QC_BUILD(qc_build_int32, float, qc_node_int32, qc_key_float32)
QC_BUILD(qc_build_int64, double, qc_node_int64, qc_key_float64)
