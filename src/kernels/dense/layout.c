#include <string.h>

#include "kernels/dense/dense.h"

/* One block: features from `feature` on, of one output. */
QC_INLINE void fill(const uint8_t *column, ptrdiff_t step, ptrdiff_t count, const int size, uint8_t *block) {
    for (ptrdiff_t i = 0; i < count; ++i, column += step) memcpy(block + i * size, column, (size_t)size);
}

/* Nibbles + 8: feature i of the block in the low half of byte i, feature i + 64 in its high half. Padding is 8, which is 0. */
QC_INLINE void fill_int4(const uint8_t *column, ptrdiff_t step, ptrdiff_t count, uint8_t *block) {
    memset(block, 0x88, QC_BLOCK);
    for (ptrdiff_t i = 0; i < count; ++i, column += step) {
        const unsigned nibble = (*column + 8u) & 15u;
        if (i < QC_BLOCK) block[i] = (uint8_t)((block[i] & 0xf0u) | nibble);
        else block[i - QC_BLOCK] = (uint8_t)((block[i - QC_BLOCK] & 0x0fu) | nibble << 4);
    }
}

void qc_dense_arrange(const void *values, ptrdiff_t n_features, ptrdiff_t n_outputs, int size, int int4, uint8_t *blocks) {
    const ptrdiff_t per_block = int4 ? 2 * QC_BLOCK : QC_BLOCK / size, row_bytes = n_outputs * size;
    const ptrdiff_t n_blocks = (n_features + per_block - 1) / per_block;
    memset(blocks, 0, (size_t)(n_blocks * n_outputs * QC_BLOCK));
    for (ptrdiff_t b = 0; b < n_blocks; ++b) { /* features outside: the rows of a block stay in cache over all outputs */
        const uint8_t *rows = (const uint8_t *)values + b * per_block * row_bytes;
        const ptrdiff_t left = n_features - b * per_block, count = left < per_block ? left : per_block;
        for (ptrdiff_t k = 0; k < n_outputs; ++k) {
            const ptrdiff_t first = k - k % QC_GROUP, width = n_outputs - first < QC_GROUP ? n_outputs - first : QC_GROUP;
            uint8_t *block = blocks + (first * n_blocks + b * width + (k - first)) * QC_BLOCK;
            const uint8_t *column = rows + k * size;
            if (int4) fill_int4(column, row_bytes, count, block);
            else if (size == 1) fill(column, row_bytes, count, 1, block);
            else if (size == 2) fill(column, row_bytes, count, 2, block);
            else fill(column, row_bytes, count, 4, block);
        }
    }
}

void qc_dense_offsets(const qc_dense *w, int32_t *offset) {
    for (ptrdiff_t k = 0; k < w->n_outputs; ++k) {
        const ptrdiff_t first = k - k % QC_GROUP, width = w->n_outputs - first < QC_GROUP ? w->n_outputs - first : QC_GROUP;
        const uint8_t *blocks = w->blocks + (first * w->n_blocks + (k - first)) * QC_BLOCK;
        for (ptrdiff_t b = 0; b < w->n_blocks; ++b) {
            const int8_t *q = (const int8_t *)(blocks + b * width * QC_BLOCK);
            int32_t sum = 0, *to = offset + b / QC_SPAN * w->n_outputs + k;
            for (int i = 0; i < QC_BLOCK; ++i) sum += q[i];
            *to = (b % QC_SPAN ? *to : 0) - 128 * sum;
        }
    }
}
