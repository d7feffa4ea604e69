/* Primitives for NEON, 64-bit ARM; no FMA. Dot products of int16 with int8 gain nothing from dotprod. */
#ifndef QC_TEXT_SIMD_NEON_H
#define QC_TEXT_SIMD_NEON_H

#include <arm_neon.h>
#include <math.h>

#include "kernels/common.h"
#include "kernels/text/builtins.h"
#include "kernels/text/portable.h"
#include "kernels/text/sums.h"
#include "kernels/text/text.h"
#include "kernels/text/words.h"

#define words_any words_scalar

#define LANES 16
#define VECTORS 4 /* of four lanes */

/* Bit b of byte i of the answer from byte 8 * i + b of 64 that are all ones or all zeros. */
static inline uint64_t bits_of_64(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
    const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ull));
    const uint8x16_t low = vpaddq_u8(vandq_u8(a, weights), vandq_u8(b, weights));
    const uint8x16_t high = vpaddq_u8(vandq_u8(c, weights), vandq_u8(d, weights));
    const uint8x16_t bytes = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(bytes, bytes)), 0);
}

/* 16 characters: the lowered character, with bit 7 where it belongs to a token, from a table of 128 in two halves. */
static inline uint8x16_t ascii_16(uint8x16x4_t low, uint8x16x4_t high, const uint8_t *data) {
    const uint8x16_t c = vld1q_u8(data);
    return vqtbx4q_u8(vqtbl4q_u8(low, c), high, vsubq_u8(c, vdupq_n_u8(64)));
}

static inline uint64_t lower_64(uint8x16x4_t low, uint8x16x4_t high, const uint8_t *data, uint8_t *out) {
    uint8x16_t word[4];
    QC_UNROLL for (int k = 0; k < 4; k++) {
        const uint8x16_t v = ascii_16(low, high, data + 16 * k);
        vst1q_u8(out + 16 * k, vandq_u8(v, vdupq_n_u8(0x7F)));
        word[k] = vreinterpretq_u8_s8(vshrq_n_s8(vreinterpretq_s8_u8(v), 7));
    }
    return bits_of_64(word[0], word[1], word[2], word[3]);
}

/* Stores whole vectors: `out` has room for n rounded up to 64. */
static size_t words_ascii(const qc_chars *chars, const uint8_t *data, size_t n, uint8_t *out, uint32_t *bounds) {
    const uint8x16x4_t low = vld1q_u8_x4(chars->ascii_lower), high = vld1q_u8_x4(chars->ascii_lower + 64);
    size_t n_bounds = 0;
    uint64_t inside = 0;
    for (size_t i = 0; i < n; i += 64) {
        uint64_t word;
        if (n - i >= 64) {
            word = lower_64(low, high, data + i, out + i);
        } else {
            uint8_t last[64] = {0};
            memcpy(last, data + i, n - i);
            word = lower_64(low, high, last, out + i) & (((uint64_t)1 << (n - i)) - 1);
        }
        for (uint64_t change = word ^ (word << 1 | inside); change; change &= change - 1)
            bounds[n_bounds++] = (uint32_t)(i + FIRST_BIT_64(change));
        inside = word >> 63;
    }
    bounds[n_bounds] = (uint32_t)n;
    n_bounds += n_bounds & 1; /* the text ends inside a token */
    return n_bounds / 2;
}

static inline void load_key(const uint8_t *bytes, uint32_t length, uint64_t key[2]) {
    static const uint64_t ones_then_zeros[4] = {~0ull, ~0ull, 0, 0};
    uint64_t mask[2];
    memcpy(mask, (const uint8_t *)ones_then_zeros + 16 - length, 16);
    memcpy(key, bytes, 16);
    key[0] &= mask[0];
    key[1] &= mask[1];
}

static inline uint32_t match_tags(const uint16_t *tags, uint16_t tag) {
    const uint16x8_t t = vdupq_n_u16(tag);
    uint8x16_t equal[4];
    QC_UNROLL for (int k = 0; k < 4; k++) equal[k] = vreinterpretq_u8_u16(vceqq_u16(vld1q_u16(tags + 8 * k), t));
    const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201ull));
    uint8x16_t bytes = vpaddq_u8(vandq_u8(vuzp1q_u8(equal[0], equal[1]), weights), vandq_u8(vuzp1q_u8(equal[2], equal[3]), weights));
    bytes = vpaddq_u8(bytes, bytes);
    return vgetq_lane_u32(vreinterpretq_u32_u8(vpaddq_u8(bytes, bytes)), 0);
}

/* Four refs at a time against each one before them, and against the others of the four. Reads up to three refs too many. */
static inline uint32_t repeats(const uint32_t *refs, size_t n) {
    const uint32x4_t none = vdupq_n_u32(QC_NONE), weights = {1, 2, 4, 8};
    uint32_t mask = 0;
    for (size_t i = 0; i < n; i += 4) {
        const uint32x4_t four = vld1q_u32(refs + i);
        uint32x4_t again = vceqq_u32(four, vextq_u32(none, four, 3));
        again = vorrq_u32(again, vceqq_u32(four, vextq_u32(none, four, 2)));
        again = vorrq_u32(again, vceqq_u32(four, vextq_u32(none, four, 1)));
        for (size_t j = 0; j < i; j++) again = vorrq_u32(again, vceqq_u32(four, vld1q_dup_u32(refs + j)));
        again = vbicq_u32(again, vceqq_u32(four, none));
        mask |= vaddvq_u32(vandq_u32(again, weights)) << i;
    }
    return n < 32 ? mask & ((1u << n) - 1) : mask;
}

typedef struct {
    float32x4_t v[VECTORS]; /* lanes 0-3, 4-7, 8-11, 12-15 */
} lanes16;

static inline lanes16 no_lanes(void) {
    const float32x4_t zero = vdupq_n_f32(0.0f);
    return (lanes16){{zero, zero, zero, zero}};
}

/* Where x > y does not hold, NaN included, y: as in plain C. */
static inline float32x4_t larger(float32x4_t x, float32x4_t y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }

static inline float lanes_sum(lanes16 x) {
    const float32x4_t a = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
    const float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

static inline float lanes_largest(lanes16 x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.v[0], x.v[1]), vmaxq_f32(x.v[2], x.v[3])));
}

static inline float32x4_t norm_step(qc_norm norm, float32x4_t x, float32x4_t lanes) {
    if (norm == QC_NORM_L2) return vaddq_f32(lanes, vmulq_f32(x, x));
    if (norm == QC_NORM_L1) return vaddq_f32(lanes, vabsq_f32(x));
    if (norm == QC_NORM_MAX) return larger(vabsq_f32(x), lanes);
    return lanes;
}

/* Counts of the four features from i on, 1 where `tf` is NULL, 0 behind the last. */
static inline float32x4_t tf_4(const float *tf, size_t i, size_t n) {
    if (tf) return vld1q_f32(tf + i);
    const uint32x4_t iota = {0, 1, 2, 3};
    const uint32x4_t inside = vcltq_u32(iota, vdupq_n_u32(i < n ? (uint32_t)(n - i < 4 ? n - i : 4) : 0));
    return vreinterpretq_f32_u32(vandq_u32(inside, vreinterpretq_u32_f32(vdupq_n_f32(1.0f))));
}

static void sums_one(const uint64_t *values, const float *tf, size_t n, qc_norm norm, qc_sums *sums) {
    lanes16 dot = no_lanes(), absolute = dot, norms = dot, counts = dot;
    for (size_t i = 0; i < n; i += LANES)
        QC_UNROLL for (int k = 0; k < VECTORS; k++) {
            const float32x4x2_t idf_weight = vld2q_f32((const float *)(values + i + 4 * k));
            const float32x4_t t = tf_4(tf, i + 4 * k, n), term = vmulq_f32(t, idf_weight.val[1]);
            dot.v[k] = vaddq_f32(dot.v[k], term);
            absolute.v[k] = vaddq_f32(absolute.v[k], vabsq_f32(term));
            counts.v[k] = vaddq_f32(counts.v[k], vabsq_f32(t));
            norms.v[k] = norm_step(norm, vmulq_f32(t, idf_weight.val[0]), norms.v[k]);
        }
    sums->dot = lanes_sum(dot);
    sums->absolute = lanes_sum(absolute);
    sums->norm = norm == QC_NORM_MAX ? lanes_largest(norms) : lanes_sum(norms);
    sums->count = lanes_sum(counts);
}

static void steps_many(const qc_text *text, const uint64_t *values, const float *tf, size_t n, float *q, uint32_t *rows, float *norm_sum,
                       float *largest) {
    const qc_norm norm = text->norm;
    const uint32x4_t base = vdupq_n_u32(text->scale_base);
    lanes16 norms = no_lanes(), top = norms;
    for (size_t i = 0; i < n; i += LANES)
        QC_UNROLL for (int k = 0; k < VECTORS; k++) {
            const uint32x4x2_t halves = vld2q_u32((const uint32_t *)(values + i + 4 * k));
            const uint32x4_t high = halves.val[1], code = vshlq_n_u32(vshrq_n_u32(high, 24), 20);
            const float32x4_t t = tf_4(tf, i + 4 * k, n), x = vmulq_f32(t, vreinterpretq_f32_u32(vaddq_u32(base, code)));
            vst1q_f32(q + i + 4 * k, x);
            vst1q_u32(rows + i + 4 * k, vandq_u32(high, vdupq_n_u32((1u << QC_ROW_BITS) - 1)));
            top.v[k] = larger(vabsq_f32(x), top.v[k]);
            norms.v[k] = norm_step(norm, vmulq_f32(t, vreinterpretq_f32_u32(halves.val[0])), norms.v[k]);
        }
    if (n % LANES == 0) { /* a vector of zeros, so that the last row has partners */
        memset(q + n, 0, LANES * sizeof *q);
        memset(rows + n, 0, LANES * sizeof *rows);
    }
    *norm_sum = norm == QC_NORM_MAX ? lanes_largest(norms) : lanes_sum(norms);
    *largest = lanes_largest(top);
}

static int64_t to_steps(const float *q, size_t n, float grid, int16_t *steps) {
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    uint64x2_t total = vdupq_n_u64(0);
    for (size_t i = 0; i < padded; i += 4) {
        const int32x4_t x = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(q + i), grid));
        vst1_s16(steps + i, vmovn_s32(x));
        total = vpadalq_u32(total, vreinterpretq_u32_s32(vabsq_s32(x)));
    }
    return (int64_t)vaddvq_u64(total);
}

/* Four rows at a time, times a step each: products are exact in int32 (|step| < 2^15, |weight| < 2^7). */
#define DOT_ROW(k)                                                                                           \
    {                                                                                                        \
        const int8_t *row = hot + (size_t)rows[i + k] * padded;                                              \
        QC_UNROLL for (int j = 0; j < blocks; j++) {                                                         \
            const int8x16_t bytes = vld1q_s8(row + 16 * j);                                                  \
            const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);                 \
            sums[4 * j] = vmlal_lane_s16(sums[4 * j], vget_low_s16(low), step, k);                           \
            sums[4 * j + 1] = vmlal_high_lane_s16(sums[4 * j + 1], low, step, k);                            \
            sums[4 * j + 2] = vmlal_lane_s16(sums[4 * j + 2], vget_low_s16(high), step, k);                  \
            sums[4 * j + 3] = vmlal_high_lane_s16(sums[4 * j + 3], high, step, k);                           \
        }                                                                                                    \
    }

QC_INLINE void dot_blocks(const int8_t *hot, size_t padded, const uint32_t *rows, const int16_t *steps, size_t n, float factor,
                          const float *bias, float *out, const int blocks) {
    int32x4_t sums[16];
    for (int j = 0; j < 4 * blocks; j++) sums[j] = vdupq_n_s32(0);
    for (size_t i = 0; i < n; i += 4) {
        const int16x4_t step = vld1_s16(steps + i);
        DOT_ROW(0)
        DOT_ROW(1)
        DOT_ROW(2)
        DOT_ROW(3)
    }
    QC_UNROLL for (int j = 0; j < 4 * blocks; j++)
        vst1q_f32(out + 4 * j, vaddq_f32(vmulq_n_f32(vcvtq_f32_s32(sums[j]), factor), vld1q_f32(bias + 4 * j)));
}

static void dot_many(const qc_text *text, const uint32_t *rows, const int16_t *steps, size_t n, float factor, float *out) {
    const size_t padded = (size_t)text->padded;
    size_t k = 0;
    for (; k + 64 <= padded; k += 64) dot_blocks(text->hot + k, padded, rows, steps, n, factor, text->bias32 + k, out + k, 4);
    for (; k + 32 <= padded; k += 32) dot_blocks(text->hot + k, padded, rows, steps, n, factor, text->bias32 + k, out + k, 2);
    for (; k + 16 <= padded; k += 16) dot_blocks(text->hot + k, padded, rows, steps, n, factor, text->bias32 + k, out + k, 1);
}

static void best_two(const float *out, int n, int *best, float *first, float *second) {
    float32x4_t top = vdupq_n_f32(-INFINITY), next = top;
    for (int k = 0; k < n; k += 4) {
        const float32x4_t x = vld1q_f32(out + k);
        next = vmaxq_f32(next, vminq_f32(top, x));
        top = vmaxq_f32(top, x);
    }
    const float a = vmaxvq_f32(top);
    const uint32x4_t holds = vceqq_f32(top, vdupq_n_f32(a));
    *second = vaddvq_u32(vshrq_n_u32(holds, 31)) > 1 ? a : vmaxvq_f32(vbslq_f32(holds, next, top));
    *first = a;
    *best = 0;
    for (int k = 0; k < n; k += 16) {
        uint32x4_t equal = vceqq_f32(vld1q_f32(out + k), vdupq_n_f32(a));
        for (int j = 4; j < 16; j += 4) equal = vorrq_u32(equal, vceqq_f32(vld1q_f32(out + k + j), vdupq_n_f32(a)));
        if (!vmaxvq_u32(equal)) continue;
        while (out[k] != a) k++;
        *best = k;
        break;
    }
}

#endif
