/* Primitives for AVX2 with BMI2 and LZCNT; no FMA. */
#ifndef QC_TEXT_SIMD_AVX2_H
#define QC_TEXT_SIMD_AVX2_H

#include <immintrin.h>
#include <math.h>

#include "kernels/text/portable.h"
#include "kernels/text/sums.h"
#include "kernels/text/text.h"
#include "kernels/text/words.h"

#define words_any words_scalar

#define LANES 16

/* 32 characters: the class from two nibble look-ups (bit h of entry l says whether h << 4 | l is in). */
static inline uint32_t lower_32(const qc_chars *chars, const uint8_t *data, uint8_t *out) {
    const __m256i c = _mm256_loadu_si256((const void *)data);
    const __m256i nibbles = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)chars->word_nibbles));
    const __m256i bits = _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i low = _mm256_shuffle_epi8(nibbles, _mm256_and_si256(c, _mm256_set1_epi8(15)));
    const __m256i high = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(c, 4), _mm256_set1_epi8(15)));
    const __m256i outside = _mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256());
    __m256i lowered = c;
    if (chars->lower) {
        const __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(c, _mm256_set1_epi8('A' - 1)), _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), c));
        lowered = _mm256_add_epi8(c, _mm256_and_si256(upper, _mm256_set1_epi8(32)));
    }
    _mm256_storeu_si256((void *)out, lowered);
    return ~(uint32_t)_mm256_movemask_epi8(outside);
}

/* Stores whole vectors: `out` has room for n rounded up to 64. */
static size_t words_ascii(const qc_chars *chars, const uint8_t *data, size_t n, uint8_t *out, uint32_t *bounds) {
    size_t n_bounds = 0;
    uint64_t inside = 0;
    for (size_t i = 0; i < n; i += 64) {
        uint64_t word;
        if (n - i >= 64) {
            word = lower_32(chars, data + i, out + i) | (uint64_t)lower_32(chars, data + i + 32, out + i + 32) << 32;
        } else {
            uint8_t last[64] = {0};
            memcpy(last, data + i, n - i);
            word = lower_32(chars, last, out + i) | (uint64_t)lower_32(chars, last + 32, out + i + 32) << 32;
            word = _bzhi_u64(word, (uint32_t)(n - i));
        }
        for (uint64_t change = word ^ (word << 1 | inside); change; change = _blsr_u64(change))
            bounds[n_bounds++] = (uint32_t)(i + _tzcnt_u64(change));
        inside = word >> 63;
    }
    bounds[n_bounds] = (uint32_t)n;
    n_bounds += n_bounds & 1; /* the text ends inside a token */
    return n_bounds / 2;
}

static inline void load_key(const uint8_t *bytes, uint32_t length, uint64_t key[2]) {
    memcpy(key, bytes, 16);
    key[0] = _bzhi_u64(key[0], 8 * length < 64 ? 8 * length : 64);
    key[1] = _bzhi_u64(key[1], length > 8 ? 8 * length - 64 : 0);
}

static inline uint32_t match_tags(const uint16_t *tags, uint16_t tag) {
    const __m256i t = _mm256_set1_epi16((short)tag);
    const __m256i a = _mm256_cmpeq_epi16(_mm256_load_si256((const void *)tags), t);
    const __m256i b = _mm256_cmpeq_epi16(_mm256_load_si256((const void *)(tags + 16)), t);
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xD8));
}

static inline uint32_t repeats(const uint32_t *refs, size_t n) {
    uint32_t mask = 0;
    for (size_t i = 1; i < n; i++) {
        const __m256i r = _mm256_set1_epi32((int)refs[i]);
        uint32_t equal = 0;
        for (size_t j = 0; j < i; j += 8)
            equal |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_loadu_si256((const void *)(refs + j)), r))) << j;
        mask |= (uint32_t)(_bzhi_u32(equal, (uint32_t)i) != 0 && refs[i] != QC_NONE) << i;
    }
    return mask;
}

typedef struct {
    __m256 a, b; /* lanes 0-7, 8-15 */
} lanes16;

static inline __m256 absolute_ps(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

static inline __m256 even_floats(const uint64_t *values) {
    const __m256 a = _mm256_castsi256_ps(_mm256_loadu_si256((const void *)values));
    const __m256 b = _mm256_castsi256_ps(_mm256_loadu_si256((const void *)(values + 4)));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88)), 0xD8));
}

static inline __m256 odd_floats(const uint64_t *values) {
    const __m256 a = _mm256_castsi256_ps(_mm256_loadu_si256((const void *)values));
    const __m256 b = _mm256_castsi256_ps(_mm256_loadu_si256((const void *)(values + 4)));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xDD)), 0xD8));
}

static inline float sum_8(__m256 a) {
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

static inline float largest_8(__m256 a) {
    const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

static inline float lanes_sum(lanes16 x) { return sum_8(_mm256_add_ps(x.a, x.b)); }
static inline float lanes_largest(lanes16 x) { return largest_8(_mm256_max_ps(x.a, x.b)); }

static inline __m256 norm_step(qc_norm norm, __m256 x, __m256 lanes) {
    if (norm == QC_NORM_L2) return _mm256_add_ps(lanes, _mm256_mul_ps(x, x));
    if (norm == QC_NORM_L1) return _mm256_add_ps(lanes, absolute_ps(x));
    if (norm == QC_NORM_MAX) return _mm256_max_ps(absolute_ps(x), lanes);
    return lanes;
}

/* Counts of 8 features, 1 where `tf` is NULL, 0 behind the last. */
static inline __m256 tf_8(const float *tf, size_t i, size_t n) {
    if (tf) return i < n ? _mm256_loadu_ps(tf + i) : _mm256_setzero_ps();
    const __m256i iota = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int left = i < n ? (n - i < 8 ? (int)(n - i) : 8) : 0;
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(left), iota)), _mm256_set1_ps(1.0f));
}

static void sums_one(const uint64_t *values, const float *tf, size_t n, qc_norm norm, qc_sums *sums) {
    const __m256 zero = _mm256_setzero_ps();
    lanes16 dot = {zero, zero}, absolute = dot, norms = dot, counts = dot;
    for (size_t i = 0; i < n; i += LANES) {
        const __m256 ta = tf_8(tf, i, n), tb = tf_8(tf, i + 8, n);
        const __m256 a = _mm256_mul_ps(ta, odd_floats(values + i)), b = _mm256_mul_ps(tb, odd_floats(values + i + 8));
        dot.a = _mm256_add_ps(dot.a, a);
        dot.b = _mm256_add_ps(dot.b, b);
        absolute.a = _mm256_add_ps(absolute.a, absolute_ps(a));
        absolute.b = _mm256_add_ps(absolute.b, absolute_ps(b));
        counts.a = _mm256_add_ps(counts.a, absolute_ps(ta));
        counts.b = _mm256_add_ps(counts.b, absolute_ps(tb));
        norms.a = norm_step(norm, _mm256_mul_ps(ta, even_floats(values + i)), norms.a);
        norms.b = norm_step(norm, _mm256_mul_ps(tb, even_floats(values + i + 8)), norms.b);
    }
    sums->dot = lanes_sum(dot);
    sums->absolute = lanes_sum(absolute);
    sums->norm = norm == QC_NORM_MAX ? lanes_largest(norms) : lanes_sum(norms);
    sums->count = lanes_sum(counts);
}

static inline __m256 steps_8(__m256i base, const uint64_t *values, __m256 t, float *q, uint32_t *rows) {
    const __m256i high = _mm256_castps_si256(odd_floats(values));
    const __m256 x = _mm256_mul_ps(t, _mm256_castsi256_ps(_mm256_add_epi32(base, _mm256_slli_epi32(_mm256_srli_epi32(high, 24), 20))));
    _mm256_storeu_ps(q, x);
    _mm256_storeu_si256((void *)rows, _mm256_and_si256(high, _mm256_set1_epi32((1 << QC_ROW_BITS) - 1)));
    return absolute_ps(x);
}

static void steps_many(const qc_text *text, const uint64_t *values, const float *tf, size_t n, float *q, uint32_t *rows, float *norm_sum,
                       float *largest) {
    const qc_norm norm = text->norm;
    const __m256i base = _mm256_set1_epi32((int)text->scale_base);
    const __m256 zero = _mm256_setzero_ps();
    lanes16 norms = {zero, zero};
    __m256 top = zero;
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    for (size_t i = 0; i < padded; i += LANES) {
        if (i >= n) { /* a vector of zeros, so that the last row has a partner */
            for (int k = 0; k < LANES; k += 8) {
                _mm256_storeu_ps(q + i + k, zero);
                _mm256_storeu_si256((void *)(rows + i + k), _mm256_setzero_si256());
            }
            break;
        }
        const __m256 ta = tf_8(tf, i, n), tb = tf_8(tf, i + 8, n);
        top = _mm256_max_ps(top, steps_8(base, values + i, ta, q + i, rows + i));
        top = _mm256_max_ps(top, steps_8(base, values + i + 8, tb, q + i + 8, rows + i + 8));
        norms.a = norm_step(norm, _mm256_mul_ps(ta, even_floats(values + i)), norms.a);
        norms.b = norm_step(norm, _mm256_mul_ps(tb, even_floats(values + i + 8)), norms.b);
    }
    *norm_sum = norm == QC_NORM_MAX ? lanes_largest(norms) : lanes_sum(norms);
    *largest = largest_8(top);
}

static int64_t to_steps(const float *q, size_t n, float grid, int16_t *steps) {
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    __m256i total = _mm256_setzero_si256();
    for (size_t i = 0; i < padded; i += 8) {
        const __m256i x = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(q + i), _mm256_set1_ps(grid)));
        const __m256i size = _mm256_abs_epi32(x);
        _mm_storeu_si128((void *)(steps + i), _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
        total = _mm256_add_epi64(total, _mm256_cvtepu32_epi64(_mm256_castsi256_si128(size)));
        total = _mm256_add_epi64(total, _mm256_cvtepu32_epi64(_mm256_extracti128_si256(size, 1)));
    }
    int64_t parts[4];
    _mm256_storeu_si256((void *)parts, total);
    return parts[0] + parts[1] + parts[2] + parts[3];
}

/* Two rows at a time, as for AVX-512; `madd` adds the two products exactly (|step| < 2^15, |weight| < 2^7). */
static inline void store_8(float *out, const float *bias, __m256i sums, __m256 factor) {
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), factor), _mm256_loadu_ps(bias)));
}

#define DOT_BLOCKS(BLOCKS)                                                                                  \
    {                                                                                                       \
        __m256i low[BLOCKS], high[BLOCKS];                                                                  \
        for (int j = 0; j < BLOCKS; j++) low[j] = high[j] = _mm256_setzero_si256();                         \
        for (size_t i = 0; i < n; i += 2) {                                                                 \
            const int8_t *a = hot + (size_t)rows[i] * padded, *b = hot + (size_t)rows[i + 1] * padded;      \
            uint32_t pair;                                                                                  \
            memcpy(&pair, steps + i, 4);                                                                    \
            const __m256i s = _mm256_set1_epi32((int)pair);                                                 \
            _Pragma("GCC unroll 8") for (int j = 0; j < BLOCKS; j++) {                                      \
                const __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(a + 16 * j)));        \
                const __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(b + 16 * j)));        \
                low[j] = _mm256_add_epi32(low[j], _mm256_madd_epi16(_mm256_unpacklo_epi16(x, y), s));       \
                high[j] = _mm256_add_epi32(high[j], _mm256_madd_epi16(_mm256_unpackhi_epi16(x, y), s));     \
            }                                                                                               \
        }                                                                                                   \
        for (int j = 0; j < BLOCKS; j++) {                                                                  \
            store_8(out + 16 * j, bias + 16 * j, _mm256_permute2x128_si256(low[j], high[j], 0x20), f);      \
            store_8(out + 16 * j + 8, bias + 16 * j + 8, _mm256_permute2x128_si256(low[j], high[j], 0x31), f); \
        }                                                                                                   \
        hot += 16 * BLOCKS;                                                                                 \
        out += 16 * BLOCKS;                                                                                 \
        bias += 16 * BLOCKS;                                                                                \
        left -= 16 * BLOCKS;                                                                                \
    }

static void dot_many(const qc_text *text, const uint32_t *rows, const int16_t *steps, size_t n, float factor, float *out) {
    const __m256 f = _mm256_set1_ps(factor);
    const size_t padded = (size_t)text->padded;
    const int8_t *hot = text->hot;
    const float *bias = text->bias32;
    int left = text->padded;
    while (left >= 64) DOT_BLOCKS(4)
    while (left >= 32) DOT_BLOCKS(2)
    while (left >= 16) DOT_BLOCKS(1)
}

static void best_two(const float *out, int n, int *best, float *first, float *second) {
    __m256 top = _mm256_set1_ps(-INFINITY), next = top;
    for (int k = 0; k < n; k += 8) {
        const __m256 x = _mm256_loadu_ps(out + k);
        next = _mm256_max_ps(next, _mm256_min_ps(top, x));
        top = _mm256_max_ps(top, x);
    }
    const float a = largest_8(top);
    const __m256 every = _mm256_set1_ps(a), holds = _mm256_cmp_ps(top, every, _CMP_EQ_OQ);
    const uint32_t lanes = (uint32_t)_mm256_movemask_ps(holds);
    *second = lanes & (lanes - 1) ? a : largest_8(_mm256_blendv_ps(top, next, holds));
    *first = a;
    *best = 0;
    for (int k = 0; k < n; k += 8) {
        const uint32_t equal = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(out + k), every, _CMP_EQ_OQ));
        if (equal) {
            *best = k + (int)_tzcnt_u32(equal);
            break;
        }
    }
}

#endif
