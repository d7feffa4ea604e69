/* Primitives for AVX-512 (F, BW, DQ, VL, VBMI, VBMI2, VNNI). */
#ifndef QC_TEXT_SIMD_AVX512_H
#define QC_TEXT_SIMD_AVX512_H

#include <immintrin.h>
#include <math.h>

#include "kernels/text/sums.h"
#include "kernels/text/text.h"
#include "kernels/text/words.h"

#define LANES 16

static inline __mmask16 first_lanes(size_t n) { return (__mmask16)_bzhi_u32(0xFFFF, n < 16 ? (uint32_t)n : 16); }

/* 64 characters at a time: two table look-ups in one permute (lowered character and class), then the positions where
 * the class changes, compressed. Stores whole vectors: `out` has room for n rounded up to 64. */
static size_t words_ascii(const qc_chars *chars, const uint8_t *data, size_t n, uint8_t *out, uint32_t *bounds) {
    const __m512i low = _mm512_loadu_si512(chars->ascii_lower), high = _mm512_loadu_si512(chars->ascii_lower + 64);
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
        32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t n_bounds = 0;
    uint64_t inside = 0;
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 valid = n - i < 64 ? _bzhi_u64(~0ull, (uint32_t)(n - i)) : ~0ull;
        const __m512i v = _mm512_permutex2var_epi8(low, _mm512_maskz_loadu_epi8(valid, data + i), high);
        const uint64_t word = _mm512_movepi8_mask(v) & valid, change = word ^ (word << 1 | inside);
        _mm512_storeu_si512(out + i, _mm512_and_si512(v, _mm512_set1_epi8(0x7F)));
        inside = word >> 63;
        const __m512i at = _mm512_maskz_compress_epi8(change, iota), base = _mm512_set1_epi32((int)i);
        const int changes = (int)_mm_popcnt_u64(change);
        _mm512_storeu_si512(bounds + n_bounds, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(at))));
        _mm512_storeu_si512(bounds + n_bounds + 16, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(at, 1))));
        if (changes > 32) {
            _mm512_storeu_si512(bounds + n_bounds + 32, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(at, 2))));
            _mm512_storeu_si512(bounds + n_bounds + 48, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(at, 3))));
        }
        n_bounds += (size_t)changes;
    }
    bounds[n_bounds] = (uint32_t)n;
    n_bounds += n_bounds & 1; /* the text ends inside a token */
    return n_bounds / 2;
}

/* 16 characters below U+10000 at a time: their entries gathered, the bytes in use (length of each) squeezed together, and the
 * changes of class carried to where their characters' bytes went. Stores whole vectors: `out` has room for 4 n + 64. */
static size_t words_any(const qc_chars *chars, const void *data, int kind, size_t n, uint8_t *out, uint32_t *bounds, size_t *used,
                        uint32_t *seen, uint32_t *all) {
    if (kind == 4) return words_scalar(chars, data, kind, n, out, bounds, used, seen, all);
    const __m512i byte_in_lane = _mm512_set1_epi32(0x03020100);
    const __m512i spread = _mm512_set4_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0);
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
        32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i any = _mm512_setzero_si512(), every = _mm512_set1_epi32(-1);
    size_t n_bounds = 0, at = 0;
    uint32_t inside = 0;
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 valid = first_lanes(n - i);
        const __m512i c = kind == 1 ? _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(valid, (const uint8_t *)data + i))
                                    : _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(valid, (const uint16_t *)data + i));
        const __m512i v = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), valid, c, chars->bmp, 4);
        any = _mm512_or_si512(any, v);
        every = _mm512_mask_and_epi32(every, valid, every, v);
        const __m512i lengths = _mm512_and_si512(_mm512_srli_epi32(v, QC_CHAR_LENGTH_SHIFT), _mm512_set1_epi32(3));
        const uint64_t in_use = _mm512_cmplt_epu8_mask(byte_in_lane, _mm512_shuffle_epi8(lengths, spread));
        _mm512_storeu_si512(out + at, _mm512_maskz_compress_epi8(in_use, v));
        const uint32_t word = _mm512_test_epi32_mask(v, _mm512_set1_epi32(QC_CHAR_WORD)), change = (word ^ (word << 1 | inside)) & 0xFFFF;
        inside = word >> 15;
        /* first byte of each change's character, where it went (behind the last character there is none) */
        const uint64_t went = _pext_u64(_pdep_u64(change & valid, 0x1111111111111111ull), in_use);
        const __m512i places = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(_mm512_maskz_compress_epi8(went, iota)));
        _mm512_storeu_si512(bounds + n_bounds, _mm512_add_epi32(_mm512_set1_epi32((int)at), places));
        n_bounds += (size_t)_mm_popcnt_u64(went);
        at += (size_t)_mm_popcnt_u64(in_use);
    }
    bounds[n_bounds] = (uint32_t)at;
    n_bounds += n_bounds & 1; /* the text ends inside a token */
    *used = at;
    *seen = (uint32_t)_mm512_reduce_or_epi32(any);
    *all = (uint32_t)_mm512_reduce_and_epi32(every);
    return n_bounds / 2;
}

static size_t keep_long(const uint32_t *bounds, size_t n, uint32_t base, uint32_t minimum, uint32_t *starts, uint32_t *lengths, size_t kept) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    for (size_t i = 0; i < n; i += 16) {
        const __m512i a = _mm512_loadu_si512(bounds + 2 * i), b = _mm512_loadu_si512(bounds + 2 * i + 16);
        const __m512i start = _mm512_permutex2var_epi32(a, even, b);
        const __m512i length = _mm512_sub_epi32(_mm512_permutex2var_epi32(a, odd, b), start);
        const __mmask16 keep = _mm512_mask_cmpge_epu32_mask(first_lanes(n - i), length, _mm512_set1_epi32((int)minimum));
        _mm512_storeu_si512(starts + kept, _mm512_maskz_compress_epi32(keep, _mm512_add_epi32(start, _mm512_set1_epi32((int)base))));
        _mm512_storeu_si512(lengths + kept, _mm512_maskz_compress_epi32(keep, length));
        kept += (size_t)_mm_popcnt_u32(keep);
    }
    return kept;
}

static inline void load_key(const uint8_t *bytes, uint32_t length, uint64_t key[2]) {
    const __m128i k = _mm_maskz_loadu_epi8((__mmask16)_bzhi_u32(0xFFFF, length), bytes);
    key[0] = (uint64_t)_mm_cvtsi128_si64(k);
    key[1] = (uint64_t)_mm_extract_epi64(k, 1);
}

static inline uint32_t match_tags(const uint16_t *tags, uint16_t tag) {
    return _mm512_cmpeq_epi16_mask(_mm512_load_si512(tags), _mm512_set1_epi16((short)tag));
}

static inline uint32_t repeats(const uint32_t *refs, size_t n) {
    const __m512i none = _mm512_set1_epi32((int)QC_NONE);
    const __m512i a = _mm512_loadu_si512(refs);
    const __mmask16 known = _mm512_mask_cmpneq_epi32_mask(first_lanes(n), a, none);
    uint32_t mask = _mm512_mask_test_epi32_mask(known, _mm512_conflict_epi32(a), none);
    if (n <= 16) return mask;
    const __m512i b = _mm512_loadu_si512(refs + 16);
    const __mmask16 known_b = _mm512_mask_cmpneq_epi32_mask(first_lanes(n - 16), b, none);
    mask |= (uint32_t)_mm512_mask_test_epi32_mask(known_b, _mm512_conflict_epi32(b), none) << 16;
    /* every rotation of a against b */
    __mmask16 across = _mm512_cmpeq_epi32_mask(a, b);
#define TURN(i) across |= _mm512_cmpeq_epi32_mask(_mm512_alignr_epi32(a, a, i), b);
    TURN(1) TURN(2) TURN(3) TURN(4) TURN(5) TURN(6) TURN(7) TURN(8)
    TURN(9) TURN(10) TURN(11) TURN(12) TURN(13) TURN(14) TURN(15)
#undef TURN
    return mask | (uint32_t)(across & known_b) << 16;
}

static inline uint32_t equal_refs(const uint32_t *refs, size_t n, uint32_t ref) {
    const __m512i r = _mm512_set1_epi32((int)ref);
    const uint32_t mask = _mm512_cmpeq_epi32_mask(_mm512_loadu_si512(refs), r) | (uint32_t)_mm512_cmpeq_epi32_mask(_mm512_loadu_si512(refs + 16), r) << 16;
    return _bzhi_u32(mask, (uint32_t)n);
}

static inline uint32_t keep_terms(const uint64_t *values, size_t n, uint64_t *kept) {
    uint32_t terms = 0;
    for (size_t i = 0; i < n; i += 8) {
        const __m512i v = _mm512_loadu_si512(values + i);
        const __mmask8 keep = _mm512_mask_cmpgt_epu64_mask((__mmask8)first_lanes(n - i), v, _mm512_set1_epi64(QC_VALUE_STOP));
        _mm512_storeu_si512(kept + _mm_popcnt_u32(terms), _mm512_maskz_compress_epi64(keep, v));
        terms |= (uint32_t)keep << i;
    }
    return terms;
}

static inline __m512 even_floats(const uint64_t *values) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_castsi512_ps(_mm512_permutex2var_epi32(_mm512_loadu_si512(values), even, _mm512_loadu_si512(values + 8)));
}

static inline __m512i odd_words(const uint64_t *values) {
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_epi32(_mm512_loadu_si512(values), odd, _mm512_loadu_si512(values + 8));
}

static inline __m512 absolute_ps(__m512 x) { return _mm512_abs_ps(x); }

static inline float lanes_sum(__m512 x) {
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

static inline __m512 norm_step(qc_norm norm, __m512 x, __m512 lanes) {
    if (norm == QC_NORM_L2) return _mm512_add_ps(lanes, _mm512_mul_ps(x, x));
    if (norm == QC_NORM_L1) return _mm512_add_ps(lanes, absolute_ps(x));
    if (norm == QC_NORM_MAX) return _mm512_max_ps(absolute_ps(x), lanes);
    return lanes;
}

static void sums_one(const uint64_t *values, const float *tf, size_t n, qc_norm norm, qc_sums *sums) {
    __m512 dot = _mm512_setzero_ps(), absolute = dot, norms = dot, counts = dot;
    for (size_t i = 0; i < n; i += LANES) {
        const __m512 t = tf ? _mm512_loadu_ps(tf + i) : _mm512_maskz_mov_ps(first_lanes(n - i), _mm512_set1_ps(1.0f));
        const __m512 term = _mm512_mul_ps(t, _mm512_castsi512_ps(odd_words(values + i)));
        dot = _mm512_add_ps(dot, term);
        absolute = _mm512_add_ps(absolute, absolute_ps(term));
        counts = _mm512_add_ps(counts, absolute_ps(t));
        norms = norm_step(norm, _mm512_mul_ps(t, even_floats(values + i)), norms);
    }
    sums->dot = lanes_sum(dot);
    sums->absolute = lanes_sum(absolute);
    sums->norm = norm == QC_NORM_MAX ? _mm512_reduce_max_ps(norms) : lanes_sum(norms);
    sums->count = lanes_sum(counts);
}

static void steps_many(const qc_text *text, const uint64_t *values, const float *tf, size_t n, float *q, uint32_t *rows, float *norm_sum,
                       float *largest) {
    const qc_norm norm = text->norm;
    const __m512i base = _mm512_set1_epi32((int)text->scale_base);
    __m512 norms = _mm512_setzero_ps(), top = norms;
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    for (size_t i = 0; i < padded; i += LANES) {
        const __mmask16 lanes = i < n ? first_lanes(n - i) : 0;
        const __m512 t = tf ? _mm512_maskz_loadu_ps(lanes, tf + i) : _mm512_maskz_mov_ps(lanes, _mm512_set1_ps(1.0f));
        const __m512i high = i < n ? odd_words(values + i) : _mm512_setzero_si512();
        const __m512 scale = _mm512_castsi512_ps(_mm512_add_epi32(base, _mm512_slli_epi32(_mm512_srli_epi32(high, 24), 20)));
        const __m512 x = _mm512_mul_ps(t, scale);
        _mm512_storeu_ps(q + i, x);
        _mm512_storeu_si512(rows + i, _mm512_and_si512(high, _mm512_set1_epi32((1 << QC_ROW_BITS) - 1)));
        top = _mm512_max_ps(top, absolute_ps(x));
        if (i < n) norms = norm_step(norm, _mm512_mul_ps(t, even_floats(values + i)), norms);
    }
    *norm_sum = norm == QC_NORM_MAX ? _mm512_reduce_max_ps(norms) : lanes_sum(norms);
    *largest = _mm512_reduce_max_ps(top);
}

static int64_t to_steps(const float *q, size_t n, float grid, int16_t *steps) {
    const size_t padded = (n + LANES) & ~(size_t)(LANES - 1);
    __m512i total = _mm512_setzero_si512();
    for (size_t i = 0; i < padded; i += LANES) {
        const __m512i x = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(q + i), _mm512_set1_ps(grid)));
        _mm256_storeu_si256((void *)(steps + i), _mm512_cvtepi32_epi16(x));
        const __m512i size = _mm512_abs_epi32(x);
        total = _mm512_add_epi64(total, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(size)));
        total = _mm512_add_epi64(total, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(size, 1)));
    }
    return _mm512_reduce_add_epi64(total);
}

/* Two rows at a time: their bytes widened, interleaved, times the pair of steps. Unpacking mixes the order of the
 * outputs within 32; the permutes at the end restore it. */
#define DOT_BLOCKS(BLOCKS)                                                                                           \
    {                                                                                                                \
        __m512i low[BLOCKS], high[BLOCKS];                                                                           \
        for (int j = 0; j < BLOCKS; j++) low[j] = high[j] = _mm512_setzero_si512();                                  \
        for (size_t i = 0; i < n; i += 2) {                                                                          \
            const int8_t *a = hot + (size_t)rows[i] * padded, *b = hot + (size_t)rows[i + 1] * padded;               \
            uint32_t pair;                                                                                           \
            memcpy(&pair, steps + i, 4);                                                                             \
            const __m512i s = _mm512_set1_epi32((int)pair);                                                          \
            _Pragma("GCC unroll 8") for (int j = 0; j < BLOCKS; j++) {                                               \
                const __m512i x = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)(a + 32 * j)));              \
                const __m512i y = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)(b + 32 * j)));              \
                low[j] = _mm512_dpwssd_epi32(low[j], _mm512_unpacklo_epi16(x, y), s);                                \
                high[j] = _mm512_dpwssd_epi32(high[j], _mm512_unpackhi_epi16(x, y), s);                              \
            }                                                                                                        \
        }                                                                                                            \
        for (int j = 0; j < BLOCKS; j++) {                                                                           \
            const __m512i first = _mm512_permutex2var_epi32(low[j], in_order_0, high[j]);                            \
            const __m512i last = _mm512_permutex2var_epi32(low[j], in_order_1, high[j]);                             \
            _mm512_storeu_ps(out + 32 * j, _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(first), f),                \
                                                         _mm512_loadu_ps(bias + 32 * j)));                           \
            _mm512_storeu_ps(out + 32 * j + 16, _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(last), f),            \
                                                              _mm512_loadu_ps(bias + 32 * j + 16)));                 \
        }                                                                                                            \
        hot += 32 * BLOCKS;                                                                                          \
        out += 32 * BLOCKS;                                                                                          \
        bias += 32 * BLOCKS;                                                                                         \
        left -= 32 * BLOCKS;                                                                                         \
    }

static void dot_many(const qc_text *text, const uint32_t *rows, const int16_t *steps, size_t n, float factor, float *out) {
    const __m512i in_order_0 = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i in_order_1 = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const __m512 f = _mm512_set1_ps(factor);
    const size_t padded = (size_t)text->padded;
    const int8_t *hot = text->hot;
    const float *bias = text->bias32;
    int left = text->padded;
    while (left >= 160) DOT_BLOCKS(5)
    while (left >= 96) DOT_BLOCKS(3)
    while (left >= 64) DOT_BLOCKS(2)
    while (left >= 32) DOT_BLOCKS(1)
    if (left) { /* the last 16 outputs */
        __m256i low = _mm256_setzero_si256(), high = low;
        for (size_t i = 0; i < n; i += 2) {
            uint32_t pair;
            memcpy(&pair, steps + i, 4);
            const __m256i s = _mm256_set1_epi32((int)pair);
            const __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(hot + (size_t)rows[i] * padded)));
            const __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(hot + (size_t)rows[i + 1] * padded)));
            low = _mm256_dpwssd_epi32(low, _mm256_unpacklo_epi16(x, y), s);
            high = _mm256_dpwssd_epi32(high, _mm256_unpackhi_epi16(x, y), s);
        }
        const __m512i first = _mm512_permutex2var_epi32(_mm512_castsi256_si512(low), in_order_0, _mm512_castsi256_si512(high));
        _mm512_storeu_ps(out, _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(first), f), _mm512_loadu_ps(bias)));
    }
}

static void best_two(const float *out, int n, int *best, float *first, float *second) {
    __m512 top = _mm512_loadu_ps(out), next = _mm512_set1_ps(-INFINITY);
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), place = at;
    for (int k = 16; k < n; k += 16) {
        const __m512 x = _mm512_loadu_ps(out + k);
        place = _mm512_add_epi32(place, _mm512_set1_epi32(16));
        at = _mm512_mask_mov_epi32(at, _mm512_cmp_ps_mask(x, top, _CMP_GT_OQ), place);
        next = _mm512_max_ps(next, _mm512_min_ps(top, x));
        top = _mm512_max_ps(top, x);
    }
    const float a = _mm512_reduce_max_ps(top);
    const __mmask16 holds = _mm512_cmpeq_ps_mask(top, _mm512_set1_ps(a));
    /* the lane of the best gives its runner-up, the others their best: if two lanes share the best, it is its own second */
    *second = holds & (holds - 1) ? a : _mm512_reduce_max_ps(_mm512_mask_mov_ps(top, holds, next));
    *first = a;
    *best = _mm512_mask_reduce_min_epi32(holds, at);
}

#endif
