#include "kernels/pack/pack.h"

ptrdiff_t qc_to_int8_scalar(const float *x, ptrdiff_t n_rows, ptrdiff_t n_columns, int8_t *q, float *scale) {
    for (ptrdiff_t row = 0; row < n_rows; ++row, x += n_columns, q += n_columns) {
        uint32_t largest = 0;
        for (ptrdiff_t j = 0; j < n_columns; ++j) {
            const uint32_t a = qc_magnitude(x[j]);
            if (a > largest) largest = a;
        }
        if (largest >= QC_INFINITY32) return row * n_columns + qc_first_nonfinite32(x, n_columns);
        scale[row] = qc_row_scale(largest);
        const float inverse = 1.0f / scale[row];
        for (ptrdiff_t j = 0; j < n_columns; ++j) q[j] = qc_to_int8_one(x[j], inverse);
    }
    return -1;
}

ptrdiff_t qc_to_float16_scalar(const float *x, ptrdiff_t n, uint16_t *h) {
    uint32_t largest = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        const uint32_t a = qc_magnitude(x[i]);
        if (a > largest) largest = a;
        h[i] = qc_to_float16_one(x[i]);
    }
    return largest >= QC_INFINITY32 ? qc_first_nonfinite32(x, n) : -1;
}

ptrdiff_t qc_to_float32_scalar(const uint16_t *h, ptrdiff_t n, float *x) {
    uint32_t largest = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        const uint32_t a = h[i] & 0x7fffu;
        if (a > largest) largest = a;
        x[i] = qc_to_float32_one(h[i]);
    }
    return largest >= QC_INFINITY16 ? qc_first_nonfinite16(h, n) : -1;
}
