/* Reading an artifact, and writing it: the hot transforms of quantcore/artifact, whose NumPy functions are the definition.
 *
 * The input is hostile: every function checks all that it reads, and returns -1 for whatever it does not take; its output
 * is then undefined, and the definition says what is wrong. Sizes that callers state are those of their buffers.
 * None depends on the instruction set, so kernels.def lists none. */
#ifndef QC_CODEC_H
#define QC_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* bits.join: n classes and packed bits -> n integers of so many bytes (1, 2, 4, 8), signed or not; `zigzag`: of either sign. */
int qc_codec_integers(const uint8_t *classes, size_t n, const uint8_t *packed, size_t n_packed, int zigzag, int itemsize,
                      int is_signed, void *out);

/* bits.split: the class of each number, and how many bits are below their leading ones (-1: a number has more than 33); then
 * those bits, with zeros up to a whole byte. */
int64_t qc_codec_classes(const int64_t *values, size_t n, uint8_t *classes);
void qc_codec_pack(const int64_t *values, size_t n, const uint8_t *classes, uint8_t *out);

/* repeats.numbers: distances back -> numbers in order of first appearance. */
int qc_codec_repeats(const uint32_t *back, size_t n, uint32_t *out);

/* preorder.leaf_numbers: flags (zero or not) of trees in preorder -> each leaf's number within its tree; `out` has room for as many
 * as there are leaves. */
void qc_codec_leaves(const uint8_t *leaf, size_t n, uint32_t *out);

/* idf.ranks: counts -> their distinct values (returned: how many) and each one's rank. `seen` has n_seen zeros, and every
 * count is below n_seen, else -1. */
ptrdiff_t qc_codec_ranks(const uint32_t *counts, size_t n, uint32_t *seen, size_t n_seen, int64_t *distinct, int32_t *rank);

/* strings.join_sorted: the bytes of all strings (-1: the parts do not fit each other); then the strings and their ends. */
int64_t qc_codec_strings_size(const uint8_t *prefix, const uint32_t *rest, size_t n, size_t n_data);
void qc_codec_strings(const uint8_t *prefix, const uint32_t *rest, size_t n, const uint8_t *data, uint8_t *out, uint32_t *ends);

/* trie.join_level: n_uses is 0 or n_symbols. `scratch` has room for 2 * n_parents + n_uses + n_edges + 2 numbers. */
int qc_codec_level(const uint32_t *children, size_t n_parents, const uint32_t *uses, size_t n_uses, const uint32_t *gaps,
                   size_t n_edges, size_t n_symbols, uint32_t *scratch, uint32_t *parent, uint32_t *symbol);

/* trie.alphabetical: n_symbols roots, then a parent for each other node; `out` gets the number of each term. `size` and `start`
 * have room for n_nodes numbers. */
int qc_codec_alphabetical(const uint32_t *parent, const uint8_t *is_term, size_t n_nodes, size_t n_symbols, uint32_t *size,
                          uint32_t *start, uint32_t *out);

/* rows.join_rows. `codes`: n_groups rows of n_symbols lengths. `place`: where each row goes, in stored order; `group_rows`:
 * rows per group; the caller has checked that they agree. Entries of 2 or 4 bytes; `scratch` is aligned for numbers. */
#define QC_ROWS_SCRATCH (16384 + 25728)
int qc_codec_rows(const uint8_t *low, const uint8_t *codes, size_t n_groups, size_t n_symbols, const uint64_t *group_rows,
                  const uint32_t *place, size_t width, const uint32_t *sizes, size_t n_sizes, const uint8_t *packed,
                  size_t n_packed, void *scratch, int itemsize, void *out);

/* What plan.validate_text checks: 0 where all is sound. */
int qc_codec_symbols_sound(const uint8_t *bytes, size_t n_bytes, const uint32_t *ends, size_t n);
int qc_codec_nodes_sound(const uint32_t *parent, const uint32_t *symbol, size_t n, size_t n_symbols, const uint64_t *levels,
                         size_t n_levels);
/* What plan.validate_trees checks: flags that are whole trees in preorder, a test below n_tests for each split, ascending columns
 * of features below `width`, and the ascending thresholds of each (float64 where `wide`). */
int qc_codec_trees_sound(const uint8_t *leaf, size_t n_nodes, const uint32_t *split, size_t n_splits, uint64_t n_tests,
                         const uint32_t *feature, const uint8_t *missing, const uint32_t *ends, size_t n_columns, uint64_t width,
                         const void *threshold, int wide, size_t n_thresholds);
/* `seen` has a bit for each of n_features, all zero. */
int qc_codec_columns_sound(const uint32_t *column, size_t n, uint64_t n_features, uint8_t *seen);

/* log(top / count) + 1 of counts that are positive, in float32 throughout but for the logarithm where `single`. */
void qc_codec_idf(const int64_t *counts, size_t n, int64_t top, int single, void *out);

/* canonical.same: how many of its numbers the caller has to look at, whose first and last place is in `numbers` (room for `most`
 * pairs); -1 where the text may be another than the canonical one. */
ptrdiff_t qc_codec_canonical(const uint8_t *text, size_t n, uint32_t *numbers, size_t most);

#endif
