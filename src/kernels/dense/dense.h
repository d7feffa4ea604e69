/* Dense rows times weights in low precision. README.md says what is computed, in which order, and how it is laid out. */
#ifndef QC_DENSE_H
#define QC_DENSE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/common.h"

enum {
    QC_BLOCK = 64,          /* bytes of one output's weights that lie together: one cache line */
    QC_GROUP = 4,           /* outputs whose blocks take turns; the last group of a matrix may have fewer */
    QC_SPAN = 64,           /* blocks over which integer kernels sum before they add to the result; their lanes rely on it */
    QC_NARROW = 1 << 17     /* features up to which every sum of int8 products fits int32: 2^17 * 128 * 127 < 2^31 */
};

typedef struct {
    const uint8_t *blocks; /* 64-byte aligned: groups, in each group features by the block, in each of those its outputs */
    const float *scale;    /* one per output */
    const int32_t *offset; /* int8: -128 * sum of the weights, one per span and output, spans x n_outputs */
    ptrdiff_t n_features, n_outputs;
    ptrdiff_t n_blocks; /* of one output */
    int wide;           /* results of int8 and int4 products are int64, since int32 may overflow */
} qc_dense;

/* x: n_rows x n_features; out: n_rows x n_outputs. Integer results are int64 where `wide`, and of int16; else int32. */
typedef void qc_dot_blocks_int8_fn(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out);
typedef void qc_dot_blocks_int4_fn(const qc_dense *w, const int8_t *x, ptrdiff_t n_rows, void *out);
typedef void qc_dot_blocks_int16_fn(const qc_dense *w, const int16_t *x, ptrdiff_t n_rows, void *out);

typedef void qc_scores_blocks_float32_fn(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out);
typedef void qc_scores_blocks_float16_fn(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out);
typedef void qc_scores_blocks_int8_fn(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out);
typedef void qc_scores_blocks_int16_fn(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out);
typedef void qc_scores_blocks_int4_fn(const qc_dense *w, const float *x, ptrdiff_t n_rows, float *out);

#define QC_FAMILY_dense
#include "kernels/declare.h"

/* Lays out a matrix of n_features x n_outputs, of elements of 1, 2 or 4 bytes, as blocks; all bytes are written, padding as 0.
 * int4: elements of 1 byte, -7..7, become nibbles + 8. */
void qc_dense_arrange(const void *values, ptrdiff_t n_features, ptrdiff_t n_outputs, int size, int int4, uint8_t *blocks);

/* qc_dense.offset of int8 weights that are laid out already: ceil(n_blocks / QC_SPAN) x n_outputs. */
void qc_dense_offsets(const qc_dense *w, int32_t *offset);

#endif
