/* Ensembles of any shape on any rows: walks, bit slices and tops of every instruction set reach the leaves that a plain recursion
 * reaches, and sum them to the same bits. Files cannot hold other ensembles than such: plan.validate refuses them. */
#include "fuzz.h"
#include "kernels/trees/trees.h"
#include "kernels/table.h"

#include "kernels/trees/categories.h"
#include "kernels/trees/values.h"

enum { COLUMNS = 8, FEATURES = 5, THRESHOLDS = 400, NODES = 600, TREES = 80, ROWS = 40, CATEGORIES = 12, SETS = 4, OUTPUTS = 3 };

typedef struct {
    int wide;
    qc_columns c;
    uint32_t feature[COLUMNS], ends[COLUMNS];
    uint8_t missing[COLUMNS];
    ptrdiff_t n_thresholds, n_tests;
    double threshold[THRESHOLDS];
    float single[THRESHOLDS];
    uint32_t category_feature[2], category_ends[2], set_feature[SETS];
    double category_values[CATEGORIES];
    uint8_t set_sides[SETS], members[SETS * CATEGORIES], sides[SETS * (CATEGORIES + 2)];
    ptrdiff_t set_starts[SETS];
    uint32_t sides_first[SETS];
    ptrdiff_t n_nodes, n_trees, n_leaves, n_splits;
    uint8_t leaf[NODES];
    uint32_t split[NODES], test_column[THRESHOLDS + SETS];
} ensemble;

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The distinct numbers among the first n, as float32 where thresholds are: 0.0 stands for both zeros. */
static uint32_t distinct(double *values, uint32_t n, int wide) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; ++i) values[i] = (wide ? values[i] : (double)(float)values[i]) + 0.0;
    qsort(values, n, sizeof *values, ascending);
    for (uint32_t i = 0; i < n; ++i)
        if (!kept || values[i] > values[kept - 1]) values[kept++] = values[i];
    return kept;
}

static double some_number(input *in) {
    const double value = some_double(in);
    return value == value ? value : 7.0;
}

static void thresholds(input *in, ensemble *e) {
    const uint32_t many = below(in, 16);
    e->c.n_features = 1 + below(in, FEATURES);
    for (ptrdiff_t feature = 0; feature < e->c.n_features; ++feature)
        for (int missing = 0; missing < 4; ++missing) {
            if (e->c.n_columns == COLUMNS || below(in, 3)) continue;
            double found[THRESHOLDS];
            uint32_t n = 1 + below(in, many == 15 ? 300 : 1 + many);
            if (n > THRESHOLDS - e->n_thresholds) n = (uint32_t)(THRESHOLDS - e->n_thresholds);
            if (!n) continue;
            const int spread = (int)below(in, 2);
            for (uint32_t i = 0; i < n; ++i) found[i] = spread ? (double)i * 0.37 - 3.0 : some_number(in);
            n = distinct(found, n, e->wide);
            for (uint32_t i = 0; i < n; ++i) {
                e->test_column[e->n_thresholds] = (uint32_t)e->c.n_columns;
                e->single[e->n_thresholds] = (float)found[i];
                e->threshold[e->n_thresholds++] = found[i];
            }
            e->feature[e->c.n_columns] = (uint32_t)feature;
            e->missing[e->c.n_columns] = (uint8_t)missing;
            e->ends[e->c.n_columns++] = (uint32_t)e->n_thresholds;
        }
    e->c.feature = e->feature, e->c.missing = e->missing;
}

static void sets(input *in, ensemble *e) {
    e->c.rule = (qc_category_rule)below(in, 3);
    if (!below(in, 2)) return;
    uint32_t end = 0, members = 0, sides = 0;
    for (uint32_t i = 0; i < 2 && i < (uint32_t)e->c.n_features; ++i) {
        double *found = e->category_values + end;
        uint32_t n = 1 + below(in, CATEGORIES / 2);
        for (uint32_t k = 0; k < n; ++k) found[k] = some_number(in);
        end += distinct(found, n, 1);
        e->category_feature[i] = i;
        e->category_ends[i] = end;
        ++e->c.n_categorical;
    }
    e->c.n_sets = e->c.n_categorical + below(in, (uint32_t)(SETS - e->c.n_categorical)); /* one for each feature at least */
    for (ptrdiff_t s = 0; s < e->c.n_sets; ++s) {
        const uint32_t of = s < e->c.n_categorical ? (uint32_t)s : below(in, (uint32_t)e->c.n_categorical);
        const uint32_t size = e->category_ends[of] - (of ? e->category_ends[of - 1] : 0);
        const uint8_t side = (uint8_t)below(in, 4);
        e->set_feature[s] = of, e->set_sides[s] = side;
        e->set_starts[s] = members, e->sides_first[s] = sides;
        e->sides[sides++] = !(side & 1);
        e->sides[sides++] = (side & 2) != 0;
        for (uint32_t k = 0; k < size; ++k) {
            const uint8_t member = (uint8_t)below(in, 2);
            e->members[members++] = member;
            e->sides[sides++] = member != ((side & 2) != 0);
        }
        e->test_column[e->n_thresholds + s] = (uint32_t)(e->c.n_columns + s);
    }
    e->c.category_feature = e->category_feature, e->c.category_ends = e->category_ends;
    e->c.category_values = e->category_values, e->c.set_feature = e->set_feature;
    e->c.set_sides = e->set_sides, e->c.set_starts = e->set_starts, e->c.members = e->members;
}

static void trees(input *in, ensemble *e) {
    const ptrdiff_t wanted = 1 + below(in, TREES);
    const uint32_t shape = below(in, 5), most = below(in, 8) ? 1 + below(in, 20) : 255;
    e->n_tests = e->n_thresholds + e->c.n_sets;
    while (e->n_trees < wanted && e->n_nodes + 3 < NODES) {
        ptrdiff_t waiting = 1, splits = 0;
        while (waiting) {
            const int full = e->n_nodes + waiting + 2 >= NODES || splits == most || !e->n_tests;
            const uint32_t draw = shape == 4 ? 1 : below(in, 4); /* 4: one side alone grows */
            const int split = !full && (shape == 4 ? waiting == 1 + splits : draw > shape % 4);
            e->leaf[e->n_nodes++] = !split;
            if (split) {
                e->split[e->n_splits++] = below(in, (uint32_t)e->n_tests);
                ++waiting, ++splits;
            } else {
                ++e->n_leaves;
                --waiting;
            }
        }
        ++e->n_trees;
    }
}

/* The oracle: one row, one tree at a time, in the words of plan/tree_ops.py. */
static int goes_left(const ensemble *e, const double *row, uint32_t test) {
    if (test >= e->n_thresholds) {
        const ptrdiff_t set = test - e->n_thresholds, of = e->set_feature[set];
        double x = row[e->category_feature[of]];
        const uint32_t start = of ? e->category_ends[of - 1] : 0;
        if (x != x) return e->set_sides[set] & 1;
        int member = 0;
        const int negative = e->c.rule == QC_CATEGORY_UNSIGNED && x < 0;
        const int known = e->c.rule == QC_CATEGORY_EQUAL || (x > -4e18 && x < 4e18 && !negative);
        if (known && e->c.rule != QC_CATEGORY_EQUAL) x = trunc(x);
        for (uint32_t k = start; known && k < e->category_ends[of]; ++k)
            if (e->category_values[k] == x) member = e->members[e->set_starts[set] + k - start];
        return member == ((e->set_sides[set] & 2) != 0);
    }
    const uint32_t column = e->test_column[test];
    const double x = row[e->feature[column]];
    const double zero = e->wide ? 1e-35f : (double)1e-35f;
    if (x != x || ((e->missing[column] & 2) && x <= zero && x >= -zero)) return e->missing[column] & 1;
    return x <= e->threshold[test];
}

static void reached(const ensemble *e, const double *row, uint32_t *leaves) {
    ptrdiff_t node = 0, split = 0;
    uint32_t leaf = 0;
    for (ptrdiff_t tree = 0; tree < e->n_trees; ++tree) {
        int found = 0;
        ptrdiff_t waiting = 1, skip = 0; /* skip: open nodes of a left subtree that is not taken */
        for (; waiting; ++node) {
            const int is_leaf = e->leaf[node];
            const uint32_t test = is_leaf ? 0 : e->split[split];
            waiting += is_leaf ? -1 : 1;
            if (is_leaf) {
                if (!skip && !found) leaves[tree] = leaf, found = 1;
                ++leaf;
            }
            split += !is_leaf;
            if (found) continue;
            if (skip) skip += is_leaf ? -1 : 1;
            else if (!is_leaf && !goes_left(e, row, test)) skip = 1;
        }
        CHECK(found, "no leaf");
    }
}

typedef struct {
    void *nodes;
    int32_t *roots;
    qc_forest f;
    qc_leaf_values v;
    void *values, *sums; /* sums: of the oracle's leaves */
    uint32_t *leaves;    /* [tree][row] of the oracle */
    uint32_t output[TREES];
    double base[OUTPUTS];
    ptrdiff_t n_rows, size;
    double rows[ROWS * FEATURES]; /* as the thresholds are rounded */
    float narrow[ROWS * FEATURES];
} state;

static void build(input *in, const ensemble *e, state *s) {
    s->nodes = room((size_t)(e->n_splits + 1) * (e->wide ? sizeof(qc_node_int64) : sizeof(qc_node_int32)));
    s->roots = room((size_t)e->n_trees * 4);
    const uint32_t *column = e->test_column;
    const int whole = e->wide ? qc_build_int64(e->leaf, e->n_nodes, e->split, column, e->threshold, e->n_thresholds, s->nodes,
                                               s->roots, e->n_trees)
                              : qc_build_int32(e->leaf, e->n_nodes, e->split, column, e->single, e->n_thresholds, s->nodes,
                                               s->roots, e->n_trees);
    CHECK(whole, "whole trees are refused");
    s->f = (qc_forest){s->nodes, s->roots, e->n_trees};
    s->size = below(in, 2) ? 8 : 4;
    s->v.n_outputs = 1 + below(in, OUTPUTS);
    s->v.width = 1 + below(in, (uint32_t)s->v.n_outputs);
    s->values = room((size_t)(e->n_leaves * s->v.width * s->size));
    for (ptrdiff_t i = 0; i < e->n_leaves * s->v.width; ++i) {
        const double value = (double)((i * 7919) % 1001 - 500) / 64.0 + (i % 3) * 1e-7;
        if (s->size == 8) ((double *)s->values)[i] = value;
        else ((float *)s->values)[i] = (float)value;
    }
    for (ptrdiff_t tree = 0; tree < e->n_trees; ++tree)
        s->output[tree] = (uint32_t)(tree % (s->v.n_outputs - s->v.width + 1));
    s->v.values = s->values, s->v.output = s->output;
    s->n_rows = 1 + below(in, ROWS);
    for (ptrdiff_t i = 0; i < s->n_rows * e->c.n_features; ++i) {
        double value = some_double(in);
        if (e->n_thresholds && (take(in, 1) & 1)) { /* a threshold, or one beside it */
            value = e->threshold[below(in, (uint32_t)e->n_thresholds)];
            const uint32_t side = below(in, 3);
            if (side && e->wide) value = nextafter(value, side == 1 ? -INFINITY : INFINITY);
            if (side && !e->wide) value = (double)nextafterf((float)value, side == 1 ? -INFINITY : INFINITY);
        }
        s->narrow[i] = (float)value;
        s->rows[i] = e->wide ? value : (double)s->narrow[i];
    }
    s->leaves = room((size_t)(e->n_trees * s->n_rows) * 4);
    s->sums = room((size_t)(s->n_rows * s->v.n_outputs * s->size));
    for (int k = 0; k < OUTPUTS; ++k) s->base[k] = k * 0.3;
    for (ptrdiff_t row = 0; row < s->n_rows; ++row) {
        uint32_t found[TREES];
        reached(e, s->rows + row * e->c.n_features, found);
        for (ptrdiff_t k = 0; k < s->v.n_outputs; ++k) {
            if (s->size == 8) ((double *)s->sums)[row * s->v.n_outputs + k] = s->base[k];
            else ((float *)s->sums)[row * s->v.n_outputs + k] = (float)s->base[k];
        }
        for (ptrdiff_t tree = 0; tree < e->n_trees; ++tree) {
            s->leaves[tree * s->n_rows + row] = found[tree];
            for (ptrdiff_t k = 0; k < s->v.width; ++k) {
                const ptrdiff_t to = row * s->v.n_outputs + s->output[tree] + k, from = found[tree] * s->v.width + k;
                if (s->size == 8) ((double *)s->sums)[to] += ((double *)s->values)[from];
                else ((float *)s->sums)[to] += ((float *)s->values)[from];
            }
        }
    }
}

/* Whether a row holds an infinite category, which is refused where categories are compared as they are. */
static int refused(const ensemble *e, const state *s) {
    for (ptrdiff_t row = 0; e->c.rule == QC_CATEGORY_EQUAL && row < s->n_rows; ++row)
        for (ptrdiff_t k = 0; k < e->c.n_categorical; ++k)
            if (isinf(s->rows[row * e->c.n_features + e->category_feature[k]])) return 1;
    return 0;
}

static void walk(const ensemble *e, const state *s, const char *isa) {
    const ptrdiff_t width = e->c.n_columns + e->c.n_sets, stride = (s->n_rows + 63) & ~63;
    void *keys = room((size_t)(s->n_rows * width) * (e->wide ? 8 : 4) + 8);
    int32_t *codes = room((size_t)(e->c.n_categorical + 1) * 4);
    uint32_t *leaves = room((size_t)(e->n_trees * stride) * 4);
    void *sums = room((size_t)(s->n_rows * s->v.n_outputs * s->size));
    if (e->wide) {
        qc_bound.keys_rows_float64(&e->c, s->rows, s->n_rows, keys, codes);
        qc_bound.walk_rows_int64(&s->f, keys, width, s->n_rows, leaves, stride);
    } else {
        qc_bound.keys_rows_float32(&e->c, s->narrow, s->n_rows, keys, codes);
        qc_bound.walk_rows_int32(&s->f, keys, width, s->n_rows, leaves, stride);
    }
    for (ptrdiff_t tree = 0; tree < e->n_trees; ++tree)
        for (ptrdiff_t row = 0; row < s->n_rows; ++row)
            CHECK(leaves[tree * stride + row] == s->leaves[tree * s->n_rows + row],
                  "%s: row %td reaches leaf %u of tree %td, not %u", isa, row, leaves[tree * stride + row], tree,
                  s->leaves[tree * s->n_rows + row]);
    for (ptrdiff_t i = 0; i < s->n_rows * s->v.n_outputs; ++i) {
        if (s->size == 8) ((double *)sums)[i] = s->base[i % s->v.n_outputs];
        else ((float *)sums)[i] = (float)s->base[i % s->v.n_outputs];
    }
    if (s->size == 8) qc_bound.sum_leaves_float64(&s->v, leaves, stride, 0, e->n_trees, s->n_rows, sums);
    else qc_bound.sum_leaves_float32(&s->v, leaves, stride, 0, e->n_trees, s->n_rows, sums);
    CHECK(!memcmp(sums, s->sums, (size_t)(s->n_rows * s->v.n_outputs * s->size)), "%s: sums of leaves", isa);
    free(keys), free(codes), free(leaves), free(sums);
}

/* ------------------------------------------------------------------ slices */

typedef struct {
    qc_ranks r;
    qc_sliced s;
    void *held[24];
    int n_held;
} sliced;

static void *hold(sliced *l, size_t bytes) { return l->held[l->n_held++] = room(bytes); }

static void lay_out(const ensemble *e, const state *s, sliced *l) {
    const void *threshold = e->wide ? (const void *)e->threshold : (const void *)e->single;
    l->r.columns = &e->c;
    const size_t pivots = (size_t)qc_ranks_build(&e->c, e->ends, threshold, e->wide, &l->r, NULL, NULL);
    const size_t n = (size_t)l->r.n_columns;
    l->r.feature = hold(l, n * 4), l->r.missing = hold(l, n), l->r.count = hold(l, n), l->r.levels = hold(l, n);
    l->r.first = hold(l, n * 4), l->r.pivot = hold(l, n * 4), l->r.threshold = e->threshold;
    l->r.exact = hold(l, pivots * 4), l->r.nearest = e->wide ? hold(l, pivots * 4) : NULL;
    uint32_t *column = room((size_t)e->n_tests * 4);
    uint8_t *rank = room((size_t)e->n_tests);
    CHECK((size_t)qc_ranks_build(&e->c, e->ends, threshold, e->wide, &l->r, column, rank) == pivots, "two sizes");
    l->r.sides = e->sides, l->r.sides_first = e->sides_first;
    const qc_sliced_source source = {e->leaf, e->split, e->n_nodes, e->n_trees, e->n_tests};
    qc_sliced_layout layout = {0};
    uint32_t *seen = room((size_t)e->n_tests * 4);
    CHECK(qc_sliced_build(&source, seen, &layout), "a tree is too large");
    uint32_t *tests = room((size_t)layout.n_listed * 4);
    layout.groups = hold(l, (size_t)layout.n_groups * sizeof(qc_group)), layout.tests = tests;
    layout.program = hold(l, (size_t)e->n_trees * 4), layout.terms = hold(l, (size_t)layout.n_terms * sizeof(qc_term));
    layout.counts = hold(l, (size_t)e->n_trees * 2 * (2 + QC_MOST_PLANES)), layout.table = hold(l, (size_t)e->n_trees * 4);
    layout.places = hold(l, (size_t)e->n_leaves);
    CHECK(qc_sliced_build(&source, seen, &layout), "a tree is too large");
    uint32_t *test_column = hold(l, (size_t)layout.n_listed * 4);
    uint8_t *test_rank = hold(l, (size_t)layout.n_listed);
    for (ptrdiff_t i = 0; i < layout.n_listed; ++i) test_column[i] = column[tests[i]], test_rank[i] = rank[tests[i]];
    const size_t entries = (size_t)(layout.n_places * s->v.width * s->size);
    void *values = hold(l, entries), *base = hold(l, (size_t)(s->v.n_outputs * s->size));
    uint8_t *bytes = hold(l, entries);
    memset(values, 0, entries), memset(bytes, 0, entries);
    qc_sliced_values(&source, &layout, s->values, NULL, s->v.width, (int)s->size, values, bytes);
    for (ptrdiff_t k = 0; k < s->v.n_outputs; ++k) {
        if (s->size == 8) ((double *)base)[k] = s->base[k];
        else ((float *)base)[k] = (float)s->base[k];
    }
    l->s = (qc_sliced){layout.groups, test_column, test_rank, layout.program, layout.terms, layout.counts, s->output,
                       layout.table, values, bytes, base, layout.n_groups, e->n_trees, s->v.width, s->v.n_outputs,
                       layout.most_tests, 1.0};
    free(column), free(rank), free(seen), free(tests);
}

static void slices(const ensemble *e, const state *s, const sliced *l, const char *isa) {
    uint8_t *ranks = aligned((size_t)(l->r.n_columns + e->c.n_sets + 1) * QC_SLICE);
    int32_t *codes = room(QC_SLICE * 4);
    void *scratch = aligned(qc_sliced_scratch(&l->s));
    void *sums = room((size_t)(s->n_rows * s->v.n_outputs * s->size));
    for (int wide = 0; wide <= 1; ++wide) { /* rows of float32 first: of both kinds of thresholds */
        if (!wide && e->wide) continue;
        const int found = wide ? qc_bound.ranks_blocks_float64(&l->r, s->rows, s->n_rows, ranks, codes)
                               : qc_bound.ranks_blocks_float32(&l->r, s->narrow, s->n_rows, ranks, codes);
        CHECK(found == refused(e, s), "%s: ranks say %d", isa, found);
        if (found) continue;
        if (s->size == 8) qc_bound.sums_sliced_float64(&l->s, ranks, s->n_rows, scratch, sums);
        else qc_bound.sums_sliced_float32(&l->s, ranks, s->n_rows, scratch, sums);
        CHECK(!memcmp(sums, s->sums, (size_t)(s->n_rows * s->v.n_outputs * s->size)), "%s: sums of slices", isa);
    }
    free(ranks), free(codes), free(scratch), free(sums);
}

/* -------------------------------------------------------------------- tops */

typedef struct {
    qc_tops t;
    void *held[12], *tests;
    int n_held, fits;
} tops;

static void *held(tops *l, size_t bytes) { return l->held[l->n_held++] = room(bytes); }

static void open_tops(const ensemble *e, const state *s, tops *l) {
    l->t.n_trees = e->n_trees, l->t.n_packs = (e->n_trees + QC_PACK - 1) / QC_PACK;
    uint32_t *leaves = room((size_t)(e->n_splits + 1) * 4), *ends = room((size_t)e->n_trees * 4);
    int32_t *opened = room((size_t)e->n_splits * 4 + 4);
    const ptrdiff_t n = e->wide ? qc_tops_open_int64(&s->f, e->n_splits, QC_MOST_EXITS, leaves, opened, ends)
                                : qc_tops_open_int32(&s->f, e->n_splits, QC_MOST_EXITS, leaves, opened, ends);
    uint32_t *order = room((size_t)n * 8);
    qc_tops_order(&s->f, e->wide, opened, n, order);
    const ptrdiff_t size = qc_tops_columns(&s->f, e->wide, opened, n, e->c.n_columns, order, &l->t, NULL, NULL);
    l->fits = size >= 0;
    if (l->fits) {
        const size_t columns = (size_t)l->t.n_columns;
        uint8_t *column = room((size_t)n), *most = room((size_t)n);
        l->t.source = held(l, columns), l->t.blocks = held(l, columns), l->t.first = held(l, columns * 4);
        l->t.exact = held(l, (size_t)size * 4), l->t.nearest = e->wide ? held(l, (size_t)size * 4) : NULL;
        qc_tops_columns(&s->f, e->wide, opened, n, e->c.n_columns, order, &l->t, column, most);
        l->t.slots = held(l, (size_t)(l->t.n_packs * QC_TOP_PLANES + 1) * 4), l->t.planes = held(l, (size_t)l->t.n_packs);
        l->t.exits = held(l, (size_t)e->n_trees * QC_MOST_EXITS * 4);
        for (int pass = 0; pass < 2; ++pass) {
            const ptrdiff_t tests = e->wide ? qc_tops_write_int64(&s->f, opened, ends, column, most, &l->t)
                                            : qc_tops_write_int32(&s->f, opened, ends, column, most, &l->t);
            if (pass) break;
            l->tests = aligned((size_t)tests * sizeof(qc_top_tests));
            memset(l->tests, 0, (size_t)tests * sizeof(qc_top_tests));
            l->t.tests = l->tests;
        }
        free(column), free(most);
    }
    free(leaves), free(ends), free(opened), free(order);
}

static void from_tops(const ensemble *e, const state *s, const tops *l, const char *isa) {
    QC_ALIGNED float values[QC_TOP_COLUMNS] = {0};
    int32_t codes[8], *at = room((size_t)e->n_trees * 4);
    void *keys = room((size_t)(e->c.n_columns + e->c.n_sets) * 8 + 8);
    for (ptrdiff_t row = 0; row < s->n_rows; ++row) {
        const double *x = s->rows + row * e->c.n_features;
        const int unclear = e->wide ? qc_row_values_float64(&e->c, x, 1, values, codes)
                                    : qc_row_values_float32(&e->c, s->narrow + row * e->c.n_features, 0, values, codes);
        if (unclear) continue;
        if (qc_bound.tops_row_float32(&l->t, values, e->wide, at)) continue;
        if (e->wide) qc_bound.keys_rows_float64(&e->c, x, 1, keys, codes);
        else qc_bound.keys_rows_float32(&e->c, s->narrow + row * e->c.n_features, 1, keys, codes);
        for (ptrdiff_t tree = 0; tree < e->n_trees; ++tree) {
            int32_t node = at[tree];
            CHECK(node < e->n_splits && ~node < e->n_leaves, "%s: exit %d", isa, node);
            while (node >= 0) {
                if (e->wide) {
                    const qc_node_int64 *n = (const qc_node_int64 *)s->nodes + node;
                    node = n->child[((int64_t *)keys)[n->column] > n->key];
                } else {
                    const qc_node_int32 *n = (const qc_node_int32 *)s->nodes + node;
                    node = n->child[((int32_t *)keys)[n->column] > n->key];
                }
            }
            CHECK((uint32_t)~node == s->leaves[tree * s->n_rows + row],
                  "%s: row %td, tree %td: the top leads to leaf %d, not %u", isa, row, tree, ~node,
                  s->leaves[tree * s->n_rows + row]);
        }
    }
    free(at), free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size, 0};
    ensemble *e = calloc(1, sizeof *e);
    state *s = calloc(1, sizeof *s);
    sliced l = {0};
    tops t = {0};
    e->wide = (int)below(&in, 2);
    thresholds(&in, e);
    sets(&in, e);
    trees(&in, e);
    build(&in, e, s);
    count(0, "trees");
    lay_out(e, s, &l);
    open_tops(e, s, &t);
    for (int isa = 0; isa < QC_ISA_COUNT; ++isa) {
        if (!qc_isa_available(isa)) continue;
        qc_select(isa);
        walk(e, s, qc_isa_name(isa));
        slices(e, s, &l, qc_isa_name(isa));
        if (t.fits) from_tops(e, s, &t, qc_isa_name(isa));
    }
    for (int i = 0; i < l.n_held; ++i) free(l.held[i]);
    for (int i = 0; i < t.n_held; ++i) free(t.held[i]);
    free(t.tests), free(s->nodes), free(s->roots), free(s->values), free(s->sums), free(s->leaves), free(s), free(e);
    return 0;
}
