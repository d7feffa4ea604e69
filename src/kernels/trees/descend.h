/* One row through all trees: every tree takes a step before one takes the next, so that as many nodes are on their way from
 * memory as the processor can ask for. */
#ifndef QC_TREES_DESCEND_H
#define QC_TREES_DESCEND_H

#include "kernels/trees/trees.h"

/* From the splits `at` (~leaf: there already) to leaves; `room` is for one number a tree, and may be where they are written. */
#define QC_DESCEND(name, key_type, node_type)                                                                             \
    QC_INLINE void qc_descend_##name(const void *of, const key_type *keys, int32_t *at, ptrdiff_t n_trees, uint32_t *room,\
                                     uint32_t *leaves) {                                                                  \
        const node_type *nodes = (const node_type *)of;                                                                   \
        ptrdiff_t active = 0, still = 0;                                                                                  \
        for (ptrdiff_t tree = 0; tree < n_trees; ++tree) {                                                                \
            room[active] = (uint32_t)tree;                                                                                \
            active += at[tree] >= 0;                                                                                      \
        }                                                                                                                 \
        for (; active; active = still) {                                                                                  \
            still = 0;                                                                                                    \
            for (ptrdiff_t j = 0; j < active; ++j) {                                                                      \
                const uint32_t tree = room[j];                                                                            \
                const node_type *node = nodes + at[tree];                                                                 \
                const int32_t next = node->child[keys[node->column] > node->key];                                         \
                at[tree] = next;                                                                                          \
                room[still] = tree;                                                                                       \
                still += next >= 0;                                                                                       \
            }                                                                                                             \
        }                                                                                                                 \
        for (ptrdiff_t tree = 0; tree < n_trees; ++tree) leaves[tree] = (uint32_t)~at[tree];                              \
    }

QC_DESCEND(int32, int32_t, qc_node_int32)
QC_DESCEND(int64, int64_t, qc_node_int64)

#endif
