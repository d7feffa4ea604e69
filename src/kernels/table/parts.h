/* Loads of a row's end by way of a copy, where there are no masked ones. Included by simd_<isa>.h. */
#ifndef QC_TABLE_PARTS_H
#define QC_TABLE_PARTS_H

#include <string.h>

/* Loads of the first n values, 0 < n < 16, and zeros. */
QC_INLINE f16 f16_load_part(const float *p, ptrdiff_t n) {
    float part[16] = {0.0f};
    memcpy(part, p, (size_t)n * sizeof *part);
    return f16_load(part);
}
QC_INLINE d16 d16_load_part(const double *p, ptrdiff_t n) {
    double part[16] = {0.0};
    memcpy(part, p, (size_t)n * sizeof *part);
    return d16_load(part);
}
QC_INLINE d16 d16_widen_part(const float *p, ptrdiff_t n) {
    float part[16] = {0.0f};
    memcpy(part, p, (size_t)n * sizeof *part);
    return d16_widen(part);
}

#endif
