/* Thresholds → columns of ranks. */
#include <math.h>

#include "kernels/trees/trees.h"

/* Values of float32 are right of a threshold where they are above this. */
static float folded(double threshold) {
    const float near = (float)threshold;
    return near > threshold ? nextafterf(near, -INFINITY) : near;
}

static double threshold_at(const void *threshold, int wide, ptrdiff_t i) {
    return wide ? ((const double *)threshold)[i] : ((const float *)threshold)[i];
}

/* Pivots in breadth-first order; behind the thresholds all is infinite. */
static void pivots(const void *threshold, int wide, int nearest, ptrdiff_t first, int count, int levels, float *to) {
    const int n = (1 << levels) - 1;
    to[0] = 0.0f;
    for (int level = 0, at = 1; level < levels; ++level) {
        const int step = (n + 1) >> level;
        for (int k = 0; k < 1 << level; ++k, ++at) {
            const int i = step / 2 - 1 + k * step;
            const double value = i < count ? threshold_at(threshold, wide, first + i) : INFINITY;
            to[at] = nearest ? (float)value : folded(value);
        }
    }
}

ptrdiff_t qc_ranks_build(const qc_columns *c, const uint32_t *ends, const void *threshold, int wide, qc_ranks *to,
                         uint32_t *column, uint8_t *rank) {
    ptrdiff_t n = 0, n_pivots = 0, n_tests = 0;
    for (ptrdiff_t from = 0; from < c->n_columns; ++from) {
        const int64_t size = (int64_t)ends[from] - (from ? ends[from - 1] : 0);
        const int64_t parts = (size + QC_MOST_RANKS - 1) / QC_MOST_RANKS;
        for (int64_t part = 0; part < parts; ++part, ++n) { /* as equal as can be */
            const int count = (int)((part + 1) * size / parts - part * size / parts);
            int levels = QC_LEAST_LEVELS;
            while ((1 << levels) <= count) ++levels;
            if (column) {
                ((uint32_t *)to->feature)[n] = c->feature[from];
                ((uint8_t *)to->missing)[n] = c->missing[from];
                ((uint8_t *)to->count)[n] = (uint8_t)count;
                ((uint8_t *)to->levels)[n] = (uint8_t)levels;
                ((uint32_t *)to->first)[n] = (uint32_t)n_tests;
                ((uint32_t *)to->pivot)[n] = (uint32_t)n_pivots;
                pivots(threshold, wide, 0, n_tests, count, levels, (float *)to->exact + n_pivots);
                if (to->nearest) pivots(threshold, wide, 1, n_tests, count, levels, (float *)to->nearest + n_pivots);
                for (int k = 0; k < count; ++k) {
                    column[n_tests + k] = (uint32_t)n;
                    rank[n_tests + k] = (uint8_t)k;
                }
            }
            n_tests += count;
            n_pivots += (ptrdiff_t)1 << levels;
        }
    }
    for (ptrdiff_t set = 0; column && set < c->n_sets; ++set) {
        column[n_tests + set] = (uint32_t)(n + set);
        rank[n_tests + set] = 0;
    }
    to->n_columns = n;
    return n_pivots;
}

/* ------------------------------------------------------------ of the tops */

typedef struct {
    int64_t key;
    uint32_t column;
} test;

static test test_of(const qc_forest *f, int wide, int32_t node) {
    if (wide) {
        const qc_node_int64 *at = (const qc_node_int64 *)f->nodes + node;
        return (test){at->key, at->column};
    }
    const qc_node_int32 *at = (const qc_node_int32 *)f->nodes + node;
    return (test){at->key, at->column};
}

static int before(test a, test b) { return a.column != b.column ? a.column < b.column : a.key < b.key; }

static double value_of(test t, int wide) {
    if (wide) {
        union {
            int64_t bits;
            double value;
        } u;
        u.bits = t.key ^ (int64_t)((uint64_t)(t.key >> 63) >> 1);
        return u.value;
    }
    union {
        int32_t bits;
        float value;
    } u;
    u.bits = (int32_t)t.key ^ (int32_t)((uint32_t)((int32_t)t.key >> 31) >> 1);
    return u.value;
}

void qc_tops_order(const qc_forest *f, int wide, const int32_t *opened, ptrdiff_t n, uint32_t *order) {
    uint32_t *from = order, *to = order + n;
    for (ptrdiff_t i = 0; i < n; ++i) order[i] = (uint32_t)i;
    for (ptrdiff_t width = 1; width < n; width *= 2) { /* runs of this width are merged */
        for (ptrdiff_t start = 0; start < n; start += 2 * width) {
            const ptrdiff_t middle = start + width < n ? start + width : n, end = middle + width < n ? middle + width : n;
            ptrdiff_t left = start, right = middle;
            for (ptrdiff_t i = start; i < end; ++i) {
                const int second = left == middle || (right < end && before(test_of(f, wide, opened[from[right]]),
                                                                            test_of(f, wide, opened[from[left]])));
                to[i] = from[second ? right++ : left++];
            }
        }
        uint32_t *const merged = to;
        to = from;
        from = merged;
    }
    for (ptrdiff_t i = 0; from != order && i < n; ++i) order[i] = from[i];
}

/* A column of ranks: its thresholds, behind a block of the last of each block where there is more than one. */
static void block_tails(float *table, int blocks) {
    for (int k = 0; blocks > 1 && k < blocks; ++k) table[k] = table[(k + 2) * QC_TOP_BLOCK - 1];
}

ptrdiff_t qc_tops_columns(const qc_forest *f, int wide, const int32_t *opened, ptrdiff_t n, ptrdiff_t n_columns,
                          const uint32_t *order, qc_tops *to, uint8_t *column, uint8_t *most) {
    ptrdiff_t n_parts = 0, size = 0, end;
    for (ptrdiff_t start = 0; start < n; start = end) {
        const test first = test_of(f, wide, opened[order[start]]);
        test last = first;
        ptrdiff_t distinct = 1;
        for (end = start + 1; end < n; ++end) {
            const test t = test_of(f, wide, opened[order[end]]);
            if (t.column != first.column) break;
            distinct += t.key != last.key;
            last = t;
        }
        const ptrdiff_t parts = (distinct + QC_TOP_THRESHOLDS - 1) / QC_TOP_THRESHOLDS;
        if (n_parts + parts > QC_TOP_COLUMNS) return -1;
        ptrdiff_t at = start, seen = 0; /* seen: distinct thresholds before the part */
        for (ptrdiff_t part = 0; part < parts; ++part, ++n_parts) {
            const int count = (int)((part + 1) * distinct / parts - seen), blocks = (count + QC_TOP_BLOCK - 1) / QC_TOP_BLOCK;
            const ptrdiff_t width = QC_TOP_BLOCK * (blocks + (blocks > 1));
            if (column) {
                float *exact = (float *)to->exact + size, *nearest = to->nearest ? (float *)to->nearest + size : NULL;
                const ptrdiff_t head = width - QC_TOP_BLOCK * blocks;
                ((uint8_t *)to->source)[n_parts] = (uint8_t)first.column;
                ((uint8_t *)to->blocks)[n_parts] = (uint8_t)blocks;
                ((uint32_t *)to->first)[n_parts] = (uint32_t)size;
                for (ptrdiff_t i = 0; i < width; ++i) {
                    exact[i] = INFINITY;
                    if (nearest) nearest[i] = INFINITY;
                }
                int rank = -1;
                for (last = first; at < end; ++at) {
                    const test t = test_of(f, wide, opened[order[at]]);
                    if (rank < 0 || t.key != last.key) {
                        if (rank + 1 == count) break;
                        const double value = (ptrdiff_t)t.column < n_columns ? value_of(t, wide) : 0.0;
                        exact[head + ++rank] = folded(value);
                        if (nearest) nearest[head + rank] = (float)value;
                    }
                    last = t;
                    column[order[at]] = (uint8_t)n_parts;
                    most[order[at]] = (uint8_t)rank;
                }
                block_tails(exact, blocks);
                if (nearest) block_tails(nearest, blocks);
            }
            seen += count;
            size += width;
        }
    }
    to->n_columns = n_parts;
    return size;
}
