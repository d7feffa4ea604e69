/* The order in which all kernels of this family go through rows, groups of outputs and spans of features. */
#ifndef QC_DENSE_SWEEP_H
#define QC_DENSE_SWEEP_H

#include <string.h>

#include "kernels/dense/dense.h"

/* Before a loop over the parts of a block: unrolled, GCC widens the weights of all parts first, which spills the sums. */
#if defined(__GNUC__) && !defined(__clang__)
#define QC_ROLLED _Pragma("GCC unroll 1")
#else
#define QC_ROLLED
#endif

/* Some rows, one group of outputs, one span of blocks. */
typedef struct {
    const void *x, *limit; /* all rows, and where they end */
    void *out;
    const uint8_t *blocks; /* the group's, from `block` on */
    ptrdiff_t row, end;    /* rows row .. end - 1 */
    ptrdiff_t output;      /* the group's first */
    int width;             /* outputs of the group */
    ptrdiff_t block, count;
} qc_part;

typedef void qc_part_fn(const qc_dense *w, const qc_part *part);

/* Rows that stay in cache while all groups pass by: in half of L1 where the weights stay in L2, else in a part of L2, so that
 * weights from beyond it are read once for many rows. A multiple of the rows of any register tile. */
QC_INLINE ptrdiff_t qc_dense_rows(const qc_dense *w, ptrdiff_t row_bytes) {
    const ptrdiff_t bytes = w->n_blocks * w->n_outputs * QC_BLOCK <= (ptrdiff_t)1 << 19 ? 16384 : 1 << 18;
    const ptrdiff_t rows = bytes / (row_bytes + 1) & ~(ptrdiff_t)7;
    return rows < 8 ? 8 : rows;
}

/* From output `done` on, a multiple of QC_GROUP; `run` is inlined. */
QC_INLINE void qc_sweep(const qc_dense *w, const void *x, ptrdiff_t n_rows, ptrdiff_t row_bytes, ptrdiff_t span, ptrdiff_t done,
                        void *out, qc_part_fn *run) {
    const ptrdiff_t at_once = qc_dense_rows(w, row_bytes);
    qc_part part = {.x = x, .limit = (const char *)x + n_rows * row_bytes, .out = out};
    for (ptrdiff_t row = 0; row < n_rows; row += at_once) {
        part.end = n_rows - row < at_once ? n_rows : row + at_once;
        for (part.output = done; part.output < w->n_outputs; part.output += QC_GROUP) {
            const ptrdiff_t left = w->n_outputs - part.output;
            part.width = left < QC_GROUP ? (int)left : QC_GROUP;
            part.blocks = w->blocks + part.output * w->n_blocks * QC_BLOCK;
            for (part.block = 0; part.block < w->n_blocks; part.block += span) {
                part.count = w->n_blocks - part.block < span ? w->n_blocks - part.block : span;
                part.row = row;
                run(w, &part);
                part.blocks += part.count * part.width * QC_BLOCK;
            }
        }
    }
}

/* Defines the qc_part_fn `name`: register tiles of `tall` rows (of `taller` where the group has 1 or 2 outputs), two rows
 * of a full group, then single rows. tile(w, part, row, rows, width) is inlined with constant rows and width. */
#define QC_PART(name, tile, tall, taller)                                                 \
    QC_INLINE void name(const qc_dense *w, const qc_part *part) {                         \
        ptrdiff_t row = part->row;                                                        \
        switch (part->width) {                                                            \
        case 1:                                                                           \
            for (; row + (taller) <= part->end; row += (taller)) tile(w, part, row, taller, 1); \
            for (; row < part->end; ++row) tile(w, part, row, 1, 1);                      \
            break;                                                                        \
        case 2:                                                                           \
            for (; row + (taller) <= part->end; row += (taller)) tile(w, part, row, taller, 2); \
            for (; row < part->end; ++row) tile(w, part, row, 1, 2);                      \
            break;                                                                        \
        case 3:                                                                           \
            for (; row + (tall) <= part->end; row += (tall)) tile(w, part, row, tall, 3); \
            for (; row < part->end; ++row) tile(w, part, row, 1, 3);                      \
            break;                                                                        \
        default:                                                                          \
            for (; row + (tall) <= part->end; row += (tall)) tile(w, part, row, tall, 4); \
            if ((tall) > 2 && row + 2 <= part->end) {                                     \
                tile(w, part, row, (tall) > 2 ? 2 : 1, 4);                                \
                row += 2;                                                                 \
            }                                                                             \
            for (; row < part->end; ++row) tile(w, part, row, 1, 4);                      \
        }                                                                                 \
    }

/* The same without tiles: dtype##_one(w, part, row, c) for each row and each output. */
#define QC_EACH(dtype)                                                      \
    QC_INLINE void dtype##_part(const qc_dense *w, const qc_part *part) {   \
        for (ptrdiff_t row = part->row; row < part->end; ++row)             \
            for (int c = 0; c < part->width; ++c) dtype##_one(w, part, row, c); \
    }

/* The features of a part: where they start, and how many there are. */
QC_INLINE ptrdiff_t qc_first_feature(const qc_part *part, ptrdiff_t per_block) { return part->block * per_block; }

QC_INLINE ptrdiff_t qc_feature_count(const qc_dense *w, const qc_part *part, ptrdiff_t per_block) {
    const ptrdiff_t left = w->n_features - part->block * per_block, most = part->count * per_block;
    return left < most ? left : most;
}

/* A whole block of integers, of which the row has `left` bytes: read where they are if that stays within the rows, since what
 * follows meets weights of 0; else from a copy. */
QC_INLINE const void *qc_whole_block(const qc_part *part, const void *x, ptrdiff_t left, void *buffer, ptrdiff_t size) {
    if ((const char *)part->limit - (const char *)x >= size) return x;
    memset(buffer, 0, (size_t)size);
    memcpy(buffer, x, (size_t)left);
    return buffer;
}

/* The sum over one span joins the result: the first sets it, the others add. */
QC_INLINE void qc_add_sum(const qc_dense *w, const qc_part *part, ptrdiff_t row, ptrdiff_t output, int32_t sum) {
    const ptrdiff_t at = row * w->n_outputs + output;
    if (w->wide) {
        int64_t *out = (int64_t *)part->out + at;
        *out = (part->block ? *out : 0) + sum;
    } else {
        int32_t *out = (int32_t *)part->out + at;
        *out = (part->block ? *out : 0) + sum;
    }
}

QC_INLINE void qc_add_sum64(const qc_dense *w, const qc_part *part, ptrdiff_t row, ptrdiff_t output, int64_t sum) {
    int64_t *out = (int64_t *)part->out + row * w->n_outputs + output;
    *out = (part->block ? *out : 0) + sum;
}

#endif
