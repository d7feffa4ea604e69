/* Columns of numbers and codes → rows, dense or CSR. */
#include "kernels/frame/frame.h"

void qc_frame_store(const double *x, ptrdiff_t n, double *out, ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < n; ++i) out[i * width] = x[i];
}

void qc_frame_lookup(const int32_t *codes, ptrdiff_t n, const double *values, ptrdiff_t unknown, double *out, ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < n; ++i) out[i * width] = values[codes[i] < 0 ? unknown : codes[i]];
}

void qc_frame_hot(const int32_t *codes, ptrdiff_t n, const int32_t *place, ptrdiff_t unknown, double one, double *out,
                  ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        const int32_t column = place[codes[i] < 0 ? unknown : codes[i]];
        if (column >= 0) out[i * width + column] = one;
    }
}

void qc_frame_stored(const double *x, ptrdiff_t n, int32_t column, int32_t *columns, double *values) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        columns[i] = x[i] != 0.0 ? column : -1;
        values[i] = x[i];
    }
}

void qc_frame_stored_hot(const int32_t *codes, ptrdiff_t n, const int32_t *place, ptrdiff_t unknown, double one, int32_t *columns,
                         double *values) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        columns[i] = place[codes[i] < 0 ? unknown : codes[i]];
        values[i] = one;
    }
}

int64_t qc_frame_rows(const int32_t *columns, const double *values, ptrdiff_t n_parts, ptrdiff_t n, int64_t stored, int64_t *indptr,
                      int64_t *indices, double *data) {
    for (ptrdiff_t i = 0; i < n; ++i) {
        for (ptrdiff_t k = 0; k < n_parts; ++k) { /* without branches: there is room for all of them */
            const int32_t column = columns[k * QC_FRAME_ROWS + i];
            indices[stored] = column;
            data[stored] = values[k * QC_FRAME_ROWS + i];
            stored += column >= 0;
        }
        indptr[i + 1] = stored;
    }
    return stored;
}
