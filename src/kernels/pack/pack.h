/* Packing: float32 and float64 to int8, int16, int4 and float16, and back. README.md says what is computed. */
#ifndef QC_PACK_H
#define QC_PACK_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/common.h"

/* Row-major values to integers and scales; step is the length of a group (layout groups) or the distance between rows (layout
 * columns). Each returns whether all values (of unpacking: scales) are finite; if not, what it wrote means nothing. */
typedef int qc_pack_fn(const void *x, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t step, void *q, void *scale);
typedef int qc_unpack_fn(const void *q, ptrdiff_t n_rows, ptrdiff_t n_columns, ptrdiff_t step, const void *scale, void *x);
/* To and from float16. */
typedef int qc_convert_fn(const void *from, ptrdiff_t n, void *to);

typedef qc_pack_fn qc_to_int8_groups_float32_fn, qc_to_int8_groups_float64_fn, qc_to_int8_columns_float32_fn,
    qc_to_int8_columns_float64_fn, qc_to_int16_groups_float32_fn, qc_to_int16_groups_float64_fn, qc_to_int16_columns_float32_fn,
    qc_to_int16_columns_float64_fn, qc_to_int4_groups_float32_fn, qc_to_int4_groups_float64_fn, qc_to_int4_columns_float32_fn,
    qc_to_int4_columns_float64_fn;
typedef qc_unpack_fn qc_to_float32_groups_int8_fn, qc_to_float32_columns_int8_fn, qc_to_float32_groups_int16_fn,
    qc_to_float32_columns_int16_fn, qc_to_float32_groups_int4_fn, qc_to_float32_columns_int4_fn, qc_to_float64_groups_int8_fn,
    qc_to_float64_columns_int8_fn, qc_to_float64_groups_int16_fn, qc_to_float64_columns_int16_fn, qc_to_float64_groups_int4_fn,
    qc_to_float64_columns_int4_fn;
typedef qc_convert_fn qc_to_float16_flat_float32_fn, qc_to_float16_flat_float64_fn, qc_to_float32_flat_float16_fn,
    qc_to_float64_flat_float16_fn;

#define QC_FAMILY_pack
#include "kernels/declare.h"

#define QC_INFINITY32 0x7f800000u /* as bits, without the sign: NaN and inf are not below */
#define QC_INFINITY64 0x7ff0000000000000u
#define QC_INFINITY16 0x7c00u

/* Value i of an array of float64 (wide) or float32. */
QC_INLINE const void *qc_at(const void *x, ptrdiff_t i, int wide) { return (const char *)x + i * (wide ? 8 : 4); }
QC_INLINE void *qc_at_out(void *x, ptrdiff_t i, int wide) { return (char *)x + i * (wide ? 8 : 4); }

QC_INLINE uint32_t qc_bits32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

QC_INLINE uint64_t qc_bits64(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

QC_INLINE float qc_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

QC_INLINE double qc_double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

QC_INLINE uint32_t qc_magnitude32(float x) { return qc_bits32(x) & 0x7fffffffu; }
QC_INLINE uint64_t qc_magnitude64(double x) { return qc_bits64(x) & 0x7fffffffffffffffu; }

/* Largest magnitudes → scales and their inverses; returns whether all magnitudes are finite. scale may be largest.
 * A scale is never subnormal, so that its inverse is finite, and low enough for limit * scale to be finite. */
QC_INLINE int qc_scales32(const float *largest, ptrdiff_t n, float limit, float *scale, float *inverse) {
    const float cap = qc_float(qc_bits32(FLT_MAX / limit) - 1);
    uint32_t most = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        const uint32_t bits = qc_bits32(largest[i]);
        float s = largest[i] / limit;
        s = s < FLT_MIN ? FLT_MIN : s;
        s = s > cap ? cap : s;
        most = bits > most ? bits : most;
        scale[i] = s;
        inverse[i] = 1.0f / s;
    }
    return most < QC_INFINITY32;
}

QC_INLINE int qc_scales64(const double *largest, ptrdiff_t n, double limit, double *scale, double *inverse) {
    const double cap = qc_double(qc_bits64(DBL_MAX / limit) - 1);
    uint64_t most = 0;
    for (ptrdiff_t i = 0; i < n; ++i) {
        const uint64_t bits = qc_bits64(largest[i]);
        double s = largest[i] / limit;
        s = s < DBL_MIN ? DBL_MIN : s;
        s = s > cap ? cap : s;
        most = bits > most ? bits : most;
        scale[i] = s;
        inverse[i] = 1.0 / s;
    }
    return most < QC_INFINITY64;
}

/* Rounded to nearest even: adding 1.5 * 2^23 (2^52) leaves the integer in the low bits of the mantissa. */
QC_INLINE int32_t qc_round32(float x) { return (int32_t)(qc_bits32(x + 12582912.0f) - 0x4b400000u); }
QC_INLINE int32_t qc_round64(double x) { return (int32_t)(uint32_t)qc_bits64(x + 6755399441055744.0); }

/* Value j of a packed row: bits is 4, 8 or 16. Two int4 share a byte, the even column in its low half. */
QC_INLINE int32_t qc_get(const void *q, ptrdiff_t j, int bits) {
    if (bits == 16) return ((const int16_t *)q)[j];
    if (bits == 8) return ((const int8_t *)q)[j];
    return (int32_t)((((const uint8_t *)q)[j / 2] >> j % 2 * 4 & 15u) ^ 8u) - 8;
}

/* int4 values are put in the order of their columns: an even one writes the whole byte. */
QC_INLINE void qc_put(void *q, ptrdiff_t j, int bits, int32_t value) {
    if (bits == 16) ((int16_t *)q)[j] = (int16_t)value;
    else if (bits == 8) ((int8_t *)q)[j] = (int8_t)value;
    else if (j % 2) ((uint8_t *)q)[j / 2] = (uint8_t)(((const uint8_t *)q)[j / 2] | (uint32_t)value << 4);
    else ((uint8_t *)q)[j / 2] = (uint8_t)(value & 15);
}

static inline uint16_t qc_to_float16_32(float x) {
    const uint32_t sign = qc_bits32(x) >> 16 & 0x8000u, a = qc_magnitude32(x);
    if (a >= 0x477ff000u) return (uint16_t)(sign | QC_INFINITY16); /* 65520 and more round to 2^16 */
    if (a < 0x38800000u) {                                         /* below 2^-14: the sum's last bit is worth 2^-24 */
        const float sum = qc_float(a) + 0.5f;
        return (uint16_t)(sign | (qc_bits32(sum) - 0x3f000000u));
    }
    const uint32_t odd = a >> 13 & 1u; /* nearest even: add half a unit, less one where the result would be even */
    return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + odd) >> 13);
}

/* float64 rounded to odd at 24 bits: where a bit is lost, the last one kept is set. Neither a tie nor the side of one is
 * lost by it, so rounding the result to float16 is rounding once. It is a float32 exactly, or so small that it rounds to 0. */
#define QC_LOST 0x1fffffffu
QC_INLINE double qc_to_odd(double x) {
    const uint64_t bits = qc_bits64(x);
    return qc_double((bits | ((bits & QC_LOST) + QC_LOST)) & ~(uint64_t)QC_LOST);
}

static inline float qc_from_float16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7fffu;
    if (a < 0x400u) return qc_float(sign | qc_bits32((float)a * 0x1p-24f)); /* exact: at most ten bits */
    return qc_float(sign | ((a << 13) + 0x38000000u));
}

/* One value of each op, as the loops of loops.h do it: all of plain C, and what does not fill a vector elsewhere. */
QC_INLINE void qc_larger_one(void *most, const void *x, ptrdiff_t j, int wide) {
    if (wide) {
        const uint64_t a = qc_magnitude64(((const double *)x)[j]);
        if (a > qc_bits64(*(double *)most)) *(double *)most = qc_double(a);
    } else {
        const uint32_t a = qc_magnitude32(((const float *)x)[j]);
        if (a > qc_bits32(*(float *)most)) *(float *)most = qc_float(a);
    }
}

QC_INLINE void qc_round_one(const void *x, ptrdiff_t j, const void *by, int each, int wide, int bits, void *q) {
    const ptrdiff_t f = each ? j : 0;
    if (wide) qc_put(q, j, bits, qc_round64(((const double *)x)[j] * ((const double *)by)[f]));
    else qc_put(q, j, bits, qc_round32(((const float *)x)[j] * ((const float *)by)[f]));
}

QC_INLINE void qc_spread_one(const void *q, ptrdiff_t j, const void *by, int each, int wide, int bits, void *x) {
    const ptrdiff_t f = each ? j : 0;
    if (wide) ((double *)x)[j] = (double)qc_get(q, j, bits) * ((const double *)by)[f];
    else ((float *)x)[j] = (float)qc_get(q, j, bits) * ((const float *)by)[f];
}

/* These two return whether the value is finite. */
QC_INLINE int qc_narrow_one(const void *x, ptrdiff_t i, int wide, void *h) {
    const float v = wide ? (float)qc_to_odd(((const double *)x)[i]) : ((const float *)x)[i];
    ((uint16_t *)h)[i] = qc_to_float16_32(v);
    return wide ? qc_magnitude64(((const double *)x)[i]) < QC_INFINITY64 : qc_magnitude32(v) < QC_INFINITY32;
}

QC_INLINE int qc_widen_one(const void *h, ptrdiff_t i, int wide, void *x) {
    const uint16_t v = ((const uint16_t *)h)[i];
    if (wide) ((double *)x)[i] = (double)qc_from_float16(v);
    else ((float *)x)[i] = qc_from_float16(v);
    return (v & 0x7fffu) < QC_INFINITY16;
}

#endif
