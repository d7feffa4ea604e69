/* Sixteen lanes in plain C: the meaning of every ISA's, bit for bit. */
#ifndef QC_TABLE_SIMD_H
#define QC_TABLE_SIMD_H

#include <math.h>

#include <string.h>

#include "kernels/table/table.h"

enum { TILE_ROWS = 1, TILE_OUTPUTS = 1, ROW_OUTPUTS = 1 };

typedef struct { float v[16]; } f16;
typedef struct { double v[16]; } d16;

#define EACH for (int i = 0; i < 16; ++i)

QC_INLINE f16 f16_zero(void) { f16 r; EACH r.v[i] = 0.0f; return r; }
QC_INLINE f16 f16_load(const float *p) { f16 r; EACH r.v[i] = p[i]; return r; }
QC_INLINE void f16_store(float *p, f16 a) { EACH p[i] = a.v[i]; }
QC_INLINE f16 f16_add(f16 a, f16 b) { EACH a.v[i] += b.v[i]; return a; }
QC_INLINE f16 f16_sub(f16 a, f16 b) { EACH a.v[i] -= b.v[i]; return a; }
QC_INLINE f16 f16_mul(f16 a, f16 b) { EACH a.v[i] *= b.v[i]; return a; }
QC_INLINE f16 f16_abs(f16 a) { EACH a.v[i] = fabsf(a.v[i]); return a; }
QC_INLINE float f16_sum(f16 a) {
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; ++i) a.v[i] += a.v[i + half];
    return a.v[0];
}

QC_INLINE void f16_sums(const f16 *v, const int n, float *out) {
    for (int i = 0; i < n; ++i) out[i] = f16_sum(v[i]);
}

QC_INLINE d16 d16_zero(void) { d16 r; EACH r.v[i] = 0.0; return r; }
QC_INLINE d16 d16_load(const double *p) { d16 r; EACH r.v[i] = p[i]; return r; }
QC_INLINE d16 d16_widen(const float *p) { d16 r; EACH r.v[i] = (double)p[i]; return r; }
QC_INLINE void d16_store(double *p, d16 a) { EACH p[i] = a.v[i]; }
QC_INLINE d16 d16_add(d16 a, d16 b) { EACH a.v[i] += b.v[i]; return a; }
QC_INLINE d16 d16_sub(d16 a, d16 b) { EACH a.v[i] -= b.v[i]; return a; }
QC_INLINE d16 d16_mul(d16 a, d16 b) { EACH a.v[i] *= b.v[i]; return a; }
QC_INLINE d16 d16_abs(d16 a) { EACH a.v[i] = fabs(a.v[i]); return a; }
QC_INLINE d16 d16_round(d16 a) { EACH a.v[i] = (double)(float)a.v[i]; return a; }
QC_INLINE d16 d16_clip(d16 a, double low, double high) {
    EACH a.v[i] = a.v[i] < low ? low : a.v[i];
    EACH a.v[i] = a.v[i] > high ? high : a.v[i];
    return a;
}
QC_INLINE f16 d16_narrow(d16 a) { f16 r; EACH r.v[i] = (float)a.v[i]; return r; }
QC_INLINE double d16_sum(d16 a) {
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; ++i) a.v[i] += a.v[i + half];
    return a.v[0];
}

#undef EACH

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
