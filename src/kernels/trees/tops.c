/* Nodes → tops. The subtree with the most leaves is opened first, so that what is left below the exits is small. */
#include <math.h>
#include <string.h>

#include "kernels/trees/trees.h"

static float threshold_int32(int32_t key) {
    union {
        int32_t bits;
        float value;
    } u;
    u.bits = key ^ (int32_t)((uint32_t)(key >> 31) >> 1);
    return u.value;
}

static double threshold_int64(int64_t key) {
    union {
        int64_t bits;
        double value;
    } u;
    u.bits = key ^ (int64_t)((uint64_t)(key >> 63) >> 1);
    return u.value;
}

typedef struct {
    int n_open, n_exits;
    int32_t open[QC_MOST_EXITS], exits[QC_MOST_EXITS];
    int slot; /* of the split that is written next */
} top;

static int is_open(const top *t, int32_t node) {
    for (int k = 0; k < t->n_open; ++k)
        if (t->open[k] == node) return 1;
    return 0;
}

#define QC_TOPS(name, node_type, threshold_of)                                                                            \
    static void write_##name(top *t, const node_type *nodes, int32_t node, qc_tops *to, ptrdiff_t first) {                \
        if (node < 0 || !is_open(t, node)) {                                                                              \
            t->exits[t->n_exits++] = node;                                                                                \
            return;                                                                                                       \
        }                                                                                                                 \
        const ptrdiff_t at = first + t->slot++ * QC_PACK;                                                                 \
        const int before = t->n_exits;                                                                                    \
        write_##name(t, nodes, nodes[node].child[0], to, first);                                                          \
        const int left = t->n_exits - before;                                                                             \
        const double threshold = threshold_of(nodes[node].key);                                                           \
        const float nearest = (float)threshold;                                                                           \
        ((uint8_t *)to->column)[at] = (uint8_t)nodes[node].column;                                                        \
        ((float *)to->exact)[at] = nearest > threshold ? nextafterf(nearest, -INFINITY) : nearest;                        \
        if (to->nearest) ((float *)to->nearest)[at] = nearest;                                                            \
        ((uint32_t *)to->keep)[at] = ~((uint32_t)(0xffffffffu << (32 - left)) >> before);                                 \
        write_##name(t, nodes, nodes[node].child[1], to, first);                                                          \
    }                                                                                                                     \
                                                                                                                          \
    ptrdiff_t qc_tops_##name(const qc_forest *f, ptrdiff_t n_splits, uint32_t *leaves, qc_tops *to) {                     \
        const node_type *nodes = (const node_type *)f->nodes;                                                             \
        ptrdiff_t n_slots = 0;                                                                                            \
        for (ptrdiff_t i = n_splits - 1; i >= 0; --i) {                                                                   \
            leaves[i] = 0;                                                                                                \
            for (int k = 0; k < 2; ++k) leaves[i] += nodes[i].child[k] < 0 ? 1 : leaves[nodes[i].child[k]];               \
        }                                                                                                                 \
        for (ptrdiff_t first = 0; first < f->n_trees; first += QC_PACK) {                                                 \
            int most = 0;                                                                                                 \
            if (to->slots) ((uint32_t *)to->slots)[first / QC_PACK] = (uint32_t)n_slots;                                  \
            for (ptrdiff_t tree = first; tree < first + QC_PACK && tree < f->n_trees; ++tree) {                           \
                top t = {0, 1, {0}, {f->roots[tree]}, 0};                                                                 \
                while (t.n_exits < QC_MOST_EXITS) {                                                                       \
                    int best = -1;                                                                                        \
                    for (int k = 0; k < t.n_exits; ++k)                                                                   \
                        if (t.exits[k] >= 0 && (best < 0 || leaves[t.exits[k]] > leaves[t.exits[best]])) best = k;        \
                    if (best < 0) break;                                                                                  \
                    const int32_t node = t.open[t.n_open++] = t.exits[best];                                              \
                    t.exits[best] = nodes[node].child[0];                                                                 \
                    t.exits[t.n_exits++] = nodes[node].child[1];                                                          \
                }                                                                                                         \
                if (most < t.n_open) most = t.n_open;                                                                     \
                if (!to->slots) continue;                                                                                 \
                t.n_exits = 0;                                                                                            \
                write_##name(&t, nodes, f->roots[tree], to, n_slots * QC_PACK + tree % QC_PACK);                          \
                for (int k = 0; k < QC_MOST_EXITS; ++k)                                                                   \
                    ((int32_t *)to->exits)[tree * QC_MOST_EXITS + k] = k < t.n_exits ? t.exits[k] : -1;                   \
            }                                                                                                             \
            n_slots += most;                                                                                              \
        }                                                                                                                 \
        if (to->slots) ((uint32_t *)to->slots)[(f->n_trees + QC_PACK - 1) / QC_PACK] = (uint32_t)n_slots;                 \
        return n_slots;                                                                                                   \
    }

QC_TOPS(int32, qc_node_int32, threshold_int32)
QC_TOPS(int64, qc_node_int64, threshold_int64)
