/* Trees → terms of the bit-sliced kernels. */
#include <string.h>

#include "kernels/trees/trees.h"

enum { MOST_NODES = 2 * QC_MOST_LEAVES };

/* One tree; nodes in preorder. */
typedef struct {
    int n_nodes, n_leaves, n_planes;
    int16_t right[MOST_NODES]; /* of a leaf 0 */
    int16_t leaves[MOST_NODES];
    uint32_t test[MOST_NODES];
    uint8_t common[MOST_NODES]; /* bits that the places of all its leaves have; of a leaf its place */
    uint16_t slot[MOST_NODES];  /* 0: not kept */
} tree_;

/* Reads the tree that begins at a node; 0 where it has too many leaves. */
static int read_tree(tree_ *t, const qc_sliced_source *s, ptrdiff_t node, ptrdiff_t split) {
    int16_t waiting[MOST_NODES];
    int n_waiting = 1, n = 0;
    t->n_leaves = 0;
    waiting[0] = -1;
    while (n_waiting) {
        const int parent = waiting[--n_waiting];
        if (n == MOST_NODES - 1) return 0;
        if (parent >= 0) t->right[parent] = (int16_t)n;
        if (s->leaf[node + n]) {
            t->right[n] = 0;
            ++t->n_leaves;
            ++n;
            continue;
        }
        t->test[n] = s->split[split++];
        waiting[n_waiting++] = (int16_t)n;
        waiting[n_waiting++] = -1; /* the left child comes next */
        ++n;
    }
    t->n_nodes = n;
    for (int i = n - 1; i >= 0; --i) t->leaves[i] = t->right[i] ? (int16_t)(t->leaves[i + 1] + t->leaves[t->right[i]]) : 1;
    t->n_planes = 0;
    while (1 << t->n_planes < t->n_leaves) ++t->n_planes;
    return 1;
}

/* Places of the leaves. The children's order is free: what begins at an even place and has two leaves costs least, so that few
 * leaves should stand behind an odd number of others. */
static void place(tree_ *t) {
    int16_t base[MOST_NODES];
    base[0] = 0;
    for (int i = 0; i < t->n_nodes; ++i) {
        if (!t->right[i]) continue;
        const int left = i + 1, right = t->right[i], odd = base[i] & 1;
        const int left_odd = t->leaves[left] & 1, right_odd = t->leaves[right] & 1;
        int left_first = t->leaves[left] > t->leaves[right];
        if (left_odd != right_odd) left_first = left_odd == odd;
        else if (left_odd && odd) left_first = !left_first;
        if (t->leaves[i] == 2) left_first = 0; /* then the left one is behind the mask itself */
        base[left] = (int16_t)(base[i] + (left_first ? 0 : t->leaves[right]));
        base[right] = (int16_t)(base[i] + (left_first ? t->leaves[left] : 0));
    }
    for (int i = t->n_nodes - 1; i >= 0; --i)
        t->common[i] = t->right[i] ? t->common[i + 1] & t->common[t->right[i]] : (uint8_t)base[i];
}

typedef struct {
    qc_sliced_layout *out;
    uint32_t *seen; /* of each test: group << 13 | its mask in the group */
    uint32_t group, n_masks;
} state;

/* Number of a test's mask in the group; a new one is listed. */
static uint16_t mask_of(state *s, uint32_t test) {
    if (s->seen[test] >> 13 != s->group + 1) {
        if (s->out->tests) s->out->tests[s->out->n_listed] = test;
        ++s->out->n_listed;
        s->seen[test] = (s->group + 1) << 13 | ++s->n_masks;
    }
    return (uint16_t)((s->seen[test] & QC_MOST_TESTS) * 8);
}

static void term(state *s, int slot, uint16_t mask) {
    if (s->out->terms) s->out->terms[s->out->n_terms] = (qc_term){(uint16_t)(slot * 8), mask};
    ++s->out->n_terms;
}

/* Steps, parents first. A split of two leaves is left out where a plane can use its mask itself. */
static int steps(state *s, tree_ *t) {
    int n = 0;
    memset(t->slot, 0, sizeof t->slot);
    for (int i = 0; i < t->n_nodes; ++i) {
        if (!t->right[i]) continue;
        const uint16_t mask = mask_of(s, t->test[i]);
        const uint8_t above = t->common[i];
        if (t->leaves[i] == 2 && !(t->common[t->right[i]] & ~above)) continue;
        term(s, t->slot[i], mask);
        t->slot[i + 1] = (uint16_t)(2 + 2 * n);
        t->slot[t->right[i]] = (uint16_t)(3 + 2 * n);
        ++n;
    }
    return n;
}

/* The terms whose union is a plane: the largest subtrees whose places all have that bit. */
static int plane(state *s, const tree_ *t, int bit) {
    int n = 0;
    for (int i = 0; i < t->n_nodes; ++i) {
        if (!t->right[i] || t->common[i] >> bit & 1) continue;
        const int left = i + 1, right = t->right[i];
        if (t->common[left] >> bit & 1) {
            if (t->slot[left]) term(s, t->slot[left], 0);
            else term(s, t->slot[i], mask_of(s, t->test[i]));
            ++n;
        }
        if (t->common[right] >> bit & 1) {
            term(s, t->slot[right], 0);
            ++n;
        }
    }
    if (n & 1) {
        term(s, 1, 0); /* nothing */
        ++n;
    }
    return n;
}

int qc_sliced_build(const qc_sliced_source *source, uint32_t *seen, qc_sliced_layout *out) {
    static const uint32_t most_new = QC_MOST_LEAVES; /* masks that a tree can need */
    tree_ t;
    state s = {out, seen, 0, 0};
    ptrdiff_t node = 0, split = 0, leaf = 0;
    qc_group group = {0, 0, 0, 0};
    memset(seen, 0, (size_t)source->n_tests * sizeof *seen);
    out->n_groups = out->n_listed = out->n_terms = out->n_places = out->most_tests = 0;
    for (ptrdiff_t tree = 0; tree < source->n_trees; ++tree) {
        if (!read_tree(&t, source, node, split)) return 0;
        place(&t);
        if (s.n_masks + most_new > QC_MOST_TESTS) {
            group.n_tests = s.n_masks, group.n_trees = (uint32_t)(tree - group.first_tree);
            if (out->groups) out->groups[out->n_groups] = group;
            ++out->n_groups;
            ++s.group;
            s.n_masks = 0;
            group.first_test = (uint32_t)out->n_listed, group.first_tree = (uint32_t)tree;
        }
        uint16_t counts[2 + QC_MOST_PLANES] = {0};
        if (out->program) out->program[tree] = (uint32_t)out->n_terms;
        counts[0] = (uint16_t)steps(&s, &t);
        counts[1] = (uint16_t)t.n_planes;
        for (int bit = 0; bit < t.n_planes; ++bit) counts[2 + bit] = (uint16_t)plane(&s, &t, bit);
        if (out->counts) memcpy(out->counts + tree * (2 + QC_MOST_PLANES), counts, sizeof counts);
        if (out->table) out->table[tree] = (uint32_t)out->n_places;
        out->n_places += 1 << (t.n_planes > 6 ? t.n_planes : 6);
        for (int i = 0; i < t.n_nodes; ++i) {
            if (t.right[i]) continue;
            if (out->places) out->places[leaf] = t.common[i];
            ++leaf;
        }
        if (out->most_tests < (ptrdiff_t)s.n_masks) out->most_tests = s.n_masks;
        node += t.n_nodes, split += t.n_leaves - 1;
    }
    group.n_tests = s.n_masks, group.n_trees = (uint32_t)(source->n_trees - group.first_tree);
    if (out->groups) out->groups[out->n_groups] = group;
    ++out->n_groups;
    return 1;
}

void qc_sliced_values(const qc_sliced_source *source, const qc_sliced_layout *layout, const void *values, const uint32_t *index,
                      ptrdiff_t width, int size, void *to, uint8_t *bytes) {
    ptrdiff_t leaf = 0, node = 0;
    for (ptrdiff_t tree = 0; tree < source->n_trees; ++tree) {
        const ptrdiff_t end = tree + 1 < source->n_trees ? layout->table[tree + 1] : layout->n_places;
        const ptrdiff_t start = (ptrdiff_t)layout->table[tree] * width, entries = end - layout->table[tree];
        for (ptrdiff_t waiting = 1; waiting; ++node) {
            waiting += source->leaf[node] ? -1 : 1;
            if (!source->leaf[node]) continue;
            const uint8_t *from = (const uint8_t *)values + (index ? index[leaf] : leaf) * width * size;
            const ptrdiff_t at = layout->places[leaf++];
            for (ptrdiff_t k = 0; k < width; ++k, from += size) {
                memcpy((uint8_t *)to + (start + k * entries + at) * size, from, (size_t)size);
                if (bytes)
                    for (int b = 0; b < size; ++b) bytes[(start + k * entries) * size + b * entries + at] = from[b];
            }
        }
    }
}
