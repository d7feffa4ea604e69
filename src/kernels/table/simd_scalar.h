/* Sixteen lanes in plain C: the meaning of every ISA's, bit for bit. */
#ifndef QC_TABLE_SIMD_H
#define QC_TABLE_SIMD_H

#include <math.h>

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


QC_INLINE f16 f16_all(float x) { f16 r; EACH r.v[i] = x; return r; }
QC_INLINE f16 f16_max(f16 a, f16 b) { EACH a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return a; }
QC_INLINE float f16_most(f16 a) { EACH a.v[0] = a.v[0] > a.v[i] ? a.v[0] : a.v[i]; return a.v[0]; }
QC_INLINE f16 f16_from_int(const int32_t *p) { f16 r; EACH r.v[i] = (float)p[i]; return r; }
QC_INLINE uint32_t f16_at_least(f16 a, float x) { uint32_t mask = 0; EACH mask |= (uint32_t)(a.v[i] >= x) << i; return mask; }
/* Rounds to nearest even, stores, and gives back what it stored; |a| <= 127. */
QC_INLINE f16 f16_store_int8(int8_t *p, f16 a) {
    EACH a.v[i] = (a.v[i] + 0x1.8p23f) - 0x1.8p23f;
    EACH p[i] = (int8_t)a.v[i];
    return a;
}

#include "kernels/table/parts.h"

#undef EACH

#endif
