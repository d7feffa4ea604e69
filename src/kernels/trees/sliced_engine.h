/* Sums over bit-sliced trees, once for each instruction set: what simd_<isa>.h gives, and QC_TREES_ISA.
 *
 * A block of rows is 1 word of 64 rows, or QC_WORDS of them: `words` is a constant wherever it is passed. */
#include <string.h>

#include "kernels/trees/name.h"
#include "kernels/trees/trees.h"

/* Beyond so many words a whole block costs less than words one by one. Measured on AVX-512, where a mask of a block is one
 * register (QC_ONE_REGISTER): four words of a block cost what 2 words do one by one, of trees of 255 leaves what 1.3 do. */
QC_INLINE ptrdiff_t most_single_words(const qc_sliced *s) {
#ifdef QC_ONE_REGISTER
    return s->table[s->n_trees - 1] / s->n_trees > 100 ? 1 : 2;
#else
    (void)s;
    return 3;
#endif
}

typedef struct {
    uint64_t *masks, *slots;
    uint8_t *places, *sums;
} scratch_;

QC_INLINE scratch_ divide(const qc_sliced *s, void *scratch) {
    scratch_ p;
    p.masks = (uint64_t *)scratch;
    p.slots = p.masks + (s->most_tests + 1) * QC_WORDS;
    p.sums = (uint8_t *)(p.slots + QC_MOST_SLOTS * QC_WORDS);
    p.places = p.sums + s->n_outputs * QC_SLICE * 8;
    return p;
}

QC_INLINE void make_masks(const qc_sliced *s, const qc_group *g, const uint8_t *ranks, int words, int used, uint64_t *masks) {
    const uint32_t *column = s->test_column + g->first_test;
    const uint8_t *rank = s->test_rank + g->first_test;
    for (int k = 0; k < words; ++k) masks[k] = ~(uint64_t)0;
    for (uint32_t test = 0; test < g->n_tests; ++test) {
        masks += words;
        qc_compare(ranks + (ptrdiff_t)column[test] * QC_SLICE, rank[test], used, masks);
    }
}

/* Where each row's leaf of a tree stands. */
QC_INLINE void find_places(const qc_term *terms, const uint16_t *counts, const scratch_ *p, int words, int used,
                           uint8_t *places) {
    const char *masks = (const char *)p->masks, *slots = (const char *)p->slots;
    uint64_t planes[QC_MOST_PLANES * QC_WORDS];
    uint64_t *to = p->slots + 2 * words;
    const int n_planes = counts[1];
#define QC_SLOT(t) (slots + (size_t)(t).from * words)
#define QC_MASK(t) (masks + (size_t)(t).test * words)
    for (const qc_term *end = terms + counts[0]; terms < end; ++terms, to += 2 * words) {
        if (words == 1) {
            const uint64_t slot = *(const uint64_t *)QC_SLOT(*terms), mask = *(const uint64_t *)QC_MASK(*terms);
            to[0] = slot & mask;
            to[1] = slot & ~mask;
        } else {
            const qc_wide slot = qc_wide_load(QC_SLOT(*terms)), mask = qc_wide_load(QC_MASK(*terms));
            qc_wide_store(to, qc_wide_and(slot, mask));
            qc_wide_store(to + QC_WORDS, qc_wide_and_not(slot, mask));
        }
    }
    for (int bit = 0; bit < n_planes; ++bit) {
        const qc_term *end = terms + counts[2 + bit];
        if (words == 1) {
            uint64_t a = 0, b = 0;
            for (; terms < end; terms += 2) {
                a |= *(const uint64_t *)QC_SLOT(terms[0]) & *(const uint64_t *)QC_MASK(terms[0]);
                b |= *(const uint64_t *)QC_SLOT(terms[1]) & *(const uint64_t *)QC_MASK(terms[1]);
            }
            planes[bit] = a | b;
        } else {
            qc_wide a = qc_wide_zero(), b = a;
            for (; terms < end; terms += 2) {
                a = qc_wide_or_and(a, qc_wide_load(QC_SLOT(terms[0])), qc_wide_load(QC_MASK(terms[0])));
                b = qc_wide_or_and(b, qc_wide_load(QC_SLOT(terms[1])), qc_wide_load(QC_MASK(terms[1])));
            }
            qc_wide_store(planes + bit * QC_WORDS, qc_wide_or(a, b));
        }
    }
#undef QC_SLOT
#undef QC_MASK
    for (int word = 0; word < used; ++word) qc_places(planes + word, n_planes, words, places + word * 64);
}

#define QC_SUMS(name, type)                                                                                               \
    QC_INLINE void run_##name(const qc_sliced *s, const uint8_t *ranks, ptrdiff_t n_rows, int words, const scratch_ *p,   \
                              type *out) {                                                                                \
        const int used = words == 1 ? 1 : (int)((n_rows + 63) / 64);                                                      \
        type *sums = (type *)p->sums;                                                                                     \
        for (ptrdiff_t k = 0; k < s->n_outputs; ++k)                                                                      \
            for (ptrdiff_t row = 0; row < used * 64; ++row) sums[k * QC_SLICE + row] = ((const type *)s->base)[k];        \
        for (int k = 0; k < words; ++k) p->slots[k] = ~(uint64_t)0, p->slots[words + k] = 0;                              \
        for (const qc_group *g = s->groups; g < s->groups + s->n_groups; ++g) {                                           \
            make_masks(s, g, ranks, words, used, p->masks);                                                               \
            for (uint32_t tree = g->first_tree; tree < g->first_tree + g->n_trees; ++tree) {                              \
                const uint16_t *counts = s->counts + (size_t)tree * (2 + QC_MOST_PLANES);                                 \
                const int entries = 1 << (counts[1] > 6 ? counts[1] : 6);                                                 \
                find_places(s->terms + s->program[tree], counts, p, words, used, p->places);                              \
                type *to = sums + (s->output ? s->output[tree] : 0) * QC_SLICE;                                           \
                size_t table = (size_t)s->table[tree] * s->width;                                                         \
                for (ptrdiff_t k = 0; k < s->width; ++k, to += QC_SLICE, table += entries)                                \
                    qc_add_##name(s, table, entries, p->places, used, to);                                                \
            }                                                                                                             \
        }                                                                                                                 \
        const type divisor = (type)s->divisor;                                                                            \
        for (ptrdiff_t k = 0; k < s->n_outputs; ++k) {                                                                    \
            type *from = sums + k * QC_SLICE;                                                                             \
            qc_order_##name(from, used);                                                                                  \
            if (divisor != 1)                                                                                             \
                for (ptrdiff_t row = 0; row < n_rows; ++row) from[row] /= divisor;                                        \
            for (ptrdiff_t row = 0; row < n_rows; ++row) out[row * s->n_outputs + k] = from[row];                         \
        }                                                                                                                 \
    }                                                                                                                     \
                                                                                                                          \
    void QC_TREES_NAME(qc_sums_sliced_##name)(const qc_sliced *s, const uint8_t *ranks, ptrdiff_t n_rows, void *scratch,  \
                                              type *out) {                                                                \
        const scratch_ p = divide(s, scratch);                                                                            \
        if (n_rows > most_single_words(s) * 64) {                                                                            \
            run_##name(s, ranks, n_rows, QC_WORDS, &p, out);                                                              \
            return;                                                                                                       \
        }                                                                                                                 \
        for (ptrdiff_t row = 0; row < n_rows; row += 64)                                                                  \
            run_##name(s, ranks + row, n_rows - row < 64 ? n_rows - row : 64, 1, &p, out + row * s->n_outputs);           \
    }

QC_SUMS(float32, float)
QC_SUMS(float64, double)

void QC_TREES_NAME(qc_places_sliced_uint8)(const qc_sliced *s, const uint8_t *ranks, ptrdiff_t n_rows, void *scratch,
                                           uint8_t *places, ptrdiff_t stride) {
    const scratch_ p = divide(s, scratch);
    const int used = (int)((n_rows + 63) / 64);
    for (int k = 0; k < QC_WORDS; ++k) p.slots[k] = ~(uint64_t)0, p.slots[QC_WORDS + k] = 0;
    for (const qc_group *g = s->groups; g < s->groups + s->n_groups; ++g) {
        make_masks(s, g, ranks, QC_WORDS, used, p.masks);
        for (uint32_t tree = g->first_tree; tree < g->first_tree + g->n_trees; ++tree)
            find_places(s->terms + s->program[tree], s->counts + (size_t)tree * (2 + QC_MOST_PLANES), &p, QC_WORDS, used,
                        places + (ptrdiff_t)tree * stride);
    }
}
