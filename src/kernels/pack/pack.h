/* Packing: float32 to int8 and float16, and back. README.md says what is computed. */
#ifndef QC_PACK_H
#define QC_PACK_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/common.h"

/* Each returns the position of the first NaN or inf of its input, or -1; on refusal the output is undefined. */
typedef ptrdiff_t qc_to_int8_rows_float32_fn(const float *x, ptrdiff_t n_rows, ptrdiff_t n_columns, int8_t *q, float *scale);
typedef ptrdiff_t qc_to_float16_flat_float32_fn(const float *x, ptrdiff_t n, uint16_t *h);
typedef ptrdiff_t qc_to_float32_flat_float16_fn(const uint16_t *h, ptrdiff_t n, float *x);

#define QC_FAMILY_pack
#include "kernels/declare.h"

#define QC_INFINITY32 0x7f800000u /* as bits, without the sign: NaN and inf are not below */
#define QC_INFINITY16 0x7c00u

QC_INLINE uint32_t qc_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

QC_INLINE float qc_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

QC_INLINE uint32_t qc_magnitude(float x) { return qc_bits(x) & 0x7fffffffu; }

static inline ptrdiff_t qc_first_nonfinite32(const float *x, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; ++i)
        if (qc_magnitude(x[i]) >= QC_INFINITY32) return i;
    return -1;
}

static inline ptrdiff_t qc_first_nonfinite16(const uint16_t *h, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; ++i)
        if ((h[i] & 0x7fffu) >= QC_INFINITY16) return i;
    return -1;
}

/* Scale of a row whose largest magnitude has these bits. Never subnormal, so that its inverse is finite. */
QC_INLINE float qc_row_scale(uint32_t largest) {
    const float scale = qc_float(largest) / 127.0f;
    return scale < FLT_MIN ? FLT_MIN : scale;
}

/* Rows whose scales are found before the first of them is rounded: their long latencies overlap, their values stay in L1. */
QC_INLINE ptrdiff_t qc_rows_at_once(ptrdiff_t n_columns) {
    const ptrdiff_t n = 4096 / (n_columns + 1);
    return n < 1 ? 1 : n < 16 ? n : 16;
}

/* x * inverse rounded to nearest even: adding 1.5 * 2^23 leaves the integer in the low bits of the mantissa. */
QC_INLINE int8_t qc_to_int8_one(float x, float inverse) {
    return (int8_t)(int32_t)(qc_bits(x * inverse + 12582912.0f) - 0x4b400000u);
}

static inline uint16_t qc_to_float16_one(float x) {
    const uint32_t sign = qc_bits(x) >> 16 & 0x8000u, a = qc_magnitude(x);
    if (a >= 0x477ff000u) return (uint16_t)(sign | QC_INFINITY16); /* 65520 and more round to 2^16 */
    if (a < 0x38800000u) {                                         /* below 2^-14: the sum's last bit is worth 2^-24 */
        const float sum = qc_float(a) + 0.5f;
        return (uint16_t)(sign | (qc_bits(sum) - 0x3f000000u));
    }
    const uint32_t odd = a >> 13 & 1u; /* nearest even: add half a unit, less one where the result would be even */
    return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + odd) >> 13);
}

static inline float qc_to_float32_one(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7fffu;
    if (a < 0x400u) return qc_float(sign | qc_bits((float)a * 0x1p-24f)); /* exact: at most ten bits */
    return qc_float(sign | ((a << 13) + 0x38000000u));
}

#endif
