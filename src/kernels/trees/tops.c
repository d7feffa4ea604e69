/* Nodes → tops. The subtree with the most leaves is opened first, so that what is left below the exits is small. */
#include <string.h>

#include "kernels/trees/trees.h"

/* What is written of one tree. */
typedef struct {
    const int32_t *opened;
    const uint8_t *column, *most; /* of the opened splits */
    int n_opened, n_exits;
    int32_t exits[QC_MOST_EXITS];
    uint32_t used[QC_TOP_PLANES]; /* tests of each plane */
    const uint32_t *slots;        /* NULL: tests are counted alone */
    qc_top_tests *tests;
    ptrdiff_t lane;
} top;

static int place_of(const top *t, int32_t node) {
    for (int k = 0; k < t->n_opened; ++k)
        if (t->opened[k] == node) return k;
    return -1;
}

/* Right of this split, the exits from `before` on are lost. */
static void strike(top *t, int split, int before) {
    for (int plane = before / 8; plane * 8 < t->n_exits; ++plane) {
        const int first = before > plane * 8 ? before - plane * 8 : 0, left = t->n_exits - plane * 8;
        const uint32_t slot = t->used[plane]++;
        if (!t->slots) continue;
        qc_top_tests *to = t->tests + t->slots[plane] + slot;
        to->column[t->lane] = t->column[split];
        to->most[t->lane] = t->most[split];
        to->strike[t->lane] = (uint8_t)(0xff >> first & 0xff << (left < 8 ? 8 - left : 0));
    }
}

#define QC_TOPS(name, node_type)                                                                                          \
    ptrdiff_t qc_tops_open_##name(const qc_forest *f, ptrdiff_t n_splits, int most_exits, uint32_t *leaves,               \
                                  int32_t *opened, uint32_t *ends) {                                                      \
        const node_type *nodes = (const node_type *)f->nodes;                                                             \
        ptrdiff_t n = 0;                                                                                                  \
        for (ptrdiff_t i = n_splits - 1; i >= 0; --i) {                                                                   \
            leaves[i] = 0;                                                                                                \
            for (int k = 0; k < 2; ++k) leaves[i] += nodes[i].child[k] < 0 ? 1 : leaves[nodes[i].child[k]];               \
        }                                                                                                                 \
        for (ptrdiff_t tree = 0; tree < f->n_trees; ++tree) {                                                             \
            int32_t exits[QC_DEEP_TOP] = {f->roots[tree]};                                                                \
            for (int n_exits = 1; n_exits < most_exits; ++n_exits) {                                                     \
                int best = -1;                                                                                            \
                for (int k = 0; k < n_exits; ++k)                                                                         \
                    if (exits[k] >= 0 && (best < 0 || leaves[exits[k]] > leaves[exits[best]])) best = k;                  \
                if (best < 0) break;                                                                                      \
                const int32_t node = opened[n++] = exits[best];                                                           \
                exits[best] = nodes[node].child[0];                                                                       \
                exits[n_exits] = nodes[node].child[1];                                                                    \
            }                                                                                                             \
            ends[tree] = (uint32_t)n;                                                                                     \
        }                                                                                                                 \
        return n;                                                                                                         \
    }                                                                                                                     \
                                                                                                                          \
    static void write_##name(top *t, const node_type *nodes, int32_t node) {                                              \
        const int split = node < 0 ? -1 : place_of(t, node), before = t->n_exits;                                         \
        if (split < 0) {                                                                                                  \
            t->exits[t->n_exits++] = node;                                                                                \
            return;                                                                                                       \
        }                                                                                                                 \
        write_##name(t, nodes, nodes[node].child[0]);                                                                     \
        strike(t, split, before);                                                                                         \
        write_##name(t, nodes, nodes[node].child[1]);                                                                     \
    }                                                                                                                     \
                                                                                                                          \
    ptrdiff_t qc_tops_write_##name(const qc_forest *f, const int32_t *opened, const uint32_t *ends, const uint8_t *column,\
                                   const uint8_t *most, qc_tops *to) {                                                    \
        uint32_t *slots = (uint32_t *)to->slots, n_slots = 0;                                                             \
        for (ptrdiff_t pack = 0; pack < to->n_packs; ++pack, slots += QC_TOP_PLANES) {                                    \
            uint32_t most_used[QC_TOP_PLANES] = {0};                                                                      \
            int most_exits = 1;                                                                                           \
            for (ptrdiff_t tree = pack * QC_PACK; tree < (pack + 1) * QC_PACK && tree < f->n_trees; ++tree) {             \
                const uint32_t first = tree ? ends[tree - 1] : 0;                                                         \
                top t = {opened + first, column + first, most + first, (int)(ends[tree] - first), 0, {0}, {0},            \
                         to->tests ? slots : NULL, (qc_top_tests *)to->tests, tree % QC_PACK};                            \
                write_##name(&t, (const node_type *)f->nodes, f->roots[tree]);                                            \
                if (most_exits < t.n_exits) most_exits = t.n_exits;                                                       \
                for (int plane = 0; plane < QC_TOP_PLANES; ++plane)                                                       \
                    if (most_used[plane] < t.used[plane]) most_used[plane] = t.used[plane];                               \
                if (!to->tests) continue;                                                                                 \
                for (int k = t.n_exits; k < QC_MOST_EXITS; ++k) t.exits[k] = -1;                                          \
                memcpy((int32_t *)to->exits + tree * QC_MOST_EXITS, t.exits, sizeof t.exits);                             \
            }                                                                                                             \
            ((uint8_t *)to->planes)[pack] = (uint8_t)((most_exits + 7) / 8);                                              \
            for (int plane = 0; plane < QC_TOP_PLANES; ++plane) {                                                         \
                slots[plane] = n_slots;                                                                                   \
                n_slots += most_used[plane];                                                                              \
            }                                                                                                             \
        }                                                                                                                 \
        *slots = n_slots;                                                                                                 \
        return n_slots;                                                                                                   \
    }

QC_TOPS(int32, qc_node_int32)
QC_TOPS(int64, qc_node_int64)
