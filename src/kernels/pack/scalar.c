#include "kernels/pack/pack.h"

QC_INLINE void largest_of(const void *x, ptrdiff_t n, int wide, void *out) {
    uint64_t most = 0;
    for (ptrdiff_t j = 0; j < n; ++j) {
        const uint64_t a = wide ? qc_magnitude64(((const double *)x)[j]) : qc_magnitude32(((const float *)x)[j]);
        if (a > most) most = a;
    }
    if (wide) *(double *)out = qc_double(most);
    else *(float *)out = qc_float((uint32_t)most);
}

QC_INLINE void merge_rows(const void *x, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n, int wide, void *out) {
    for (ptrdiff_t row = 0; row < n_rows; ++row)
        for (ptrdiff_t j = 0; j < n; ++j) qc_larger_one((char *)out + j * (wide ? 8 : 4), x, row * stride + j, wide);
}

QC_INLINE void round_run(const void *x, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *q) {
    (void)stream;
    for (ptrdiff_t j = 0; j < n; ++j) qc_round_one(x, j, by, each, wide, bits, q);
}

QC_INLINE void spread_run(const void *q, ptrdiff_t n, const void *by, int each, int stream, int wide, int bits, void *x) {
    (void)stream;
    for (ptrdiff_t j = 0; j < n; ++j) qc_spread_one(q, j, by, each, wide, bits, x);
}

QC_INLINE int narrow(const void *x, ptrdiff_t n, int stream, int wide, void *h) {
    (void)stream;
    int finite = 1;
    for (ptrdiff_t i = 0; i < n; ++i) finite &= qc_narrow_one(x, i, wide, h);
    return finite;
}

QC_INLINE int widen(const void *h, ptrdiff_t n, int stream, int wide, void *x) {
    (void)stream;
    int finite = 1;
    for (ptrdiff_t i = 0; i < n; ++i) finite &= qc_widen_one(h, i, wide, x);
    return finite;
}

QC_INLINE void settle(int stream) { (void)stream; }

#include "kernels/pack/loops.h"

KERNELS(scalar)
