/* Primitives in plain C: the meaning of every ISA's, bit for bit. */
#ifndef QC_TEXT_SIMD_SCALAR_H
#define QC_TEXT_SIMD_SCALAR_H

#include <math.h>

#include "kernels/text/portable.h"
#include "kernels/text/sums.h"
#include "kernels/text/text.h"
#include "kernels/text/words.h"

#define words_any words_scalar

#define LANES 16

static size_t words_ascii(const qc_chars *chars, const uint8_t *data, size_t n, uint8_t *out, uint32_t *bounds) {
    size_t n_bounds = 0;
    uint32_t inside = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t v = chars->ascii_lower[data[i]];
        const uint32_t word = v >> 7;
        out[i] = v & 0x7F;
        bounds[n_bounds] = (uint32_t)i;
        n_bounds += word ^ inside;
        inside = word;
    }
    bounds[n_bounds] = (uint32_t)n;
    n_bounds += inside;
    return n_bounds / 2;
}

static inline void load_key(const uint8_t *bytes, uint32_t length, uint64_t key[2]) {
    memcpy(key, bytes, 16);
    if (length < 8) {
        key[0] &= ((uint64_t)1 << 8 * length) - 1;
        key[1] = 0;
    } else if (length < 16) {
        key[1] &= ((uint64_t)1 << 8 * (length - 8)) - 1;
    }
}

static inline uint32_t match_tags(const uint16_t *tags, uint16_t tag) {
    uint32_t mask = 0;
    for (int i = 0; i < QC_TAGS; i++) mask |= (uint32_t)(tags[i] == tag) << i;
    return mask;
}

static inline uint32_t repeats(const uint32_t *refs, size_t n) {
    uint32_t mask = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (refs[i] == refs[j] && refs[i] != QC_NONE) {
                mask |= 1u << i;
                break;
            }
    return mask;
}

static inline float lanes_sum(float *lanes) {
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

static inline float lanes_largest(const float *lanes) {
    float largest = 0.0f;
    for (int i = 0; i < LANES; i++) largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
}

static inline float split(uint64_t value, uint32_t *high) {
    const uint32_t low = (uint32_t)value;
    float idf;
    memcpy(&idf, &low, 4);
    *high = (uint32_t)(value >> 32);
    return idf;
}

static inline void norm_step(qc_norm norm, float x, float *lane) {
    if (norm == QC_NORM_L2) *lane += x * x;
    else if (norm == QC_NORM_L1) *lane += fabsf(x);
    else if (norm == QC_NORM_MAX) *lane = fabsf(x) > *lane ? fabsf(x) : *lane;
}

static void sums_one(const uint64_t *values, const float *tf, size_t n, qc_norm norm, qc_sums *sums) {
    float dot[LANES] = {0}, absolute[LANES] = {0}, norms[LANES] = {0}, counts[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        uint32_t high;
        float weight;
        const float idf = split(values[i], &high), t = tf ? tf[i] : 1.0f;
        memcpy(&weight, &high, 4);
        const float term = t * weight;
        const int lane = i % LANES;
        dot[lane] += term;
        absolute[lane] += fabsf(term);
        counts[lane] += fabsf(t);
        norm_step(norm, t * idf, norms + lane);
    }
    sums->dot = lanes_sum(dot);
    sums->absolute = lanes_sum(absolute);
    sums->norm = norm == QC_NORM_MAX ? lanes_largest(norms) : lanes_sum(norms);
    sums->count = lanes_sum(counts);
}

static void steps_many(const qc_text *text, const uint64_t *values, const float *tf, size_t n, float *q, uint32_t *rows, float *norm_sum,
                       float *largest) {
    const qc_norm norm = text->norm;
    float norms[LANES] = {0}, top = 0.0f;
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    for (size_t i = 0; i < n; i++) {
        uint32_t high;
        const float idf = split(values[i], &high), t = tf ? tf[i] : 1.0f;
        q[i] = t * scale_of(text->scale_base, high);
        rows[i] = high & ((1u << QC_ROW_BITS) - 1);
        top = fabsf(q[i]) > top ? fabsf(q[i]) : top;
        norm_step(norm, t * idf, norms + i % LANES);
    }
    for (size_t i = n; i < padded; i++) {
        q[i] = 0.0f;
        rows[i] = 0;
    }
    *norm_sum = norm == QC_NORM_MAX ? lanes_largest(norms) : lanes_sum(norms);
    *largest = top;
}

/* Nearest even; zeros behind the last. Returns the sum of the |steps|. */
static int64_t to_steps(const float *q, size_t n, float grid, int16_t *steps) {
    int64_t total = 0;
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    for (size_t i = 0; i < padded; i++) {
        const int32_t step = (int32_t)lrintf(q[i] * grid);
        steps[i] = (int16_t)step;
        total += step < 0 ? -step : step;
    }
    return total;
}

static void dot_many(const qc_text *text, const uint32_t *rows, const int16_t *steps, size_t n, float factor, float *out) {
    const int padded = text->padded;
    for (int block = 0; block < padded; block += LANES) {
        int32_t sums[LANES] = {0};
        for (size_t i = 0; i < n; i++) {
            const int8_t *row = text->hot + (size_t)rows[i] * (size_t)padded + block;
            for (int k = 0; k < LANES; k++) sums[k] += (int32_t)steps[i] * row[k];
        }
        for (int k = 0; k < LANES; k++) out[block + k] = (float)sums[k] * factor + text->bias32[block + k];
    }
}

/* The first largest and the largest of the others. */
static void best_two(const float *out, int n, int *best, float *first, float *second) {
    int at = 0;
    float a = -INFINITY, b = -INFINITY;
    for (int k = 0; k < n; k++) {
        if (out[k] > a) {
            b = a;
            a = out[k];
            at = k;
        } else if (out[k] > b) {
            b = out[k];
        }
    }
    *best = at;
    *first = a;
    *second = b;
}

#endif
